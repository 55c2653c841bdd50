# One image for CPU and CUDA; the base install only, so no torch and no transformers.
#   docker build -t harbor .                                             bundle mounted at /bundle
#   docker build -t harbor --build-arg EXTRAS=[cuda] .                   with NVIDIA's libraries, for a GPU host
#   docker build -t harbor --target baked --build-arg BUNDLE=runs/quickstart/bundle .
# BASE is any Debian or Ubuntu image; one without Python gets its distribution's, which must be 3.11 or newer.
ARG BASE=python:3.11-slim

FROM ${BASE} AS python
RUN command -v python3 >/dev/null \
    || { apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*; }

FROM python AS install
ARG EXTRAS=
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY service service
COPY training training
COPY export export
RUN python3 -m venv /opt/harbor \
    && /opt/harbor/bin/python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel . \
    && /opt/harbor/bin/python -m pip install --no-cache-dir -c constraints.txt "$(echo /wheel/*.whl)${EXTRAS}" \
    && /opt/harbor/bin/python -m pip uninstall --yes pip

FROM python AS mounted
COPY --from=install /opt/harbor /opt/harbor
ENV PATH=/opt/harbor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HARBOR_BUNDLE=/bundle \
    HARBOR_HOST=0.0.0.0 \
    HARBOR_PORT=8080 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# A volume that is mounted here belongs to the process's user, as this directory does.
RUN install -d -o 10001 -g 10001 /ledger
# A number, not a name: Kubernetes' runAsNonRoot can check it, and it needs no line in /etc/passwd.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['HARBOR_PORT']}/readyz\", timeout=2)"]
ENTRYPOINT ["harbor-serve"]
CMD ["run"]

FROM mounted AS baked
ARG BUNDLE=runs/quickstart/bundle
COPY ${BUNDLE} /bundle

# The last stage is what a plain `docker build` makes.
FROM mounted
