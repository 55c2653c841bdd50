"""A bundle comes in; every figure that Harbor states of a GPU goes out, each beside its bound.

python -m tests.benchmarks.gpu --bundle DIR [--data FILE.csv] [--workers 8] [--json OUT]: under ten
minutes; `--provider cpu` tries the way where no GPU is.

What a machine with a GPU needs, beside this repository:

- a bundle with the variants fp32, fp16 and fp16-ragged: `harbor-export build --variants ...`;
- Python 3.11 or newer with the base dependencies and onnx, psutil, pytest: `pip install -c
  constraints.txt -e '.[cuda,dev]'` where a registry can be reached. `onnxruntime-gpu` must be the
  only onnxruntime that this Python finds; its CUDA 13, cuBLAS and cuDNN come with the extra `cuda`,
  or lie there already (then `LD_LIBRARY_PATH` names their folders);
- wrk on the PATH, with its libraries libluajit-5.1, libssl and libcrypto. Without it the client is
  Python, and most likely what is measured; the table names the client.

On a machine that nothing can be fetched to and that takes 64 MiB a call, all of this is carried:
wheels for its own Python of what it lacks (onnxruntime-gpu, and alembic, annotated-types, fastapi,
h11, httptools, Mako, py3langid, pydantic, pydantic-core, pydantic-settings, python-dotenv,
python-jsonpath, SQLAlchemy, starlette, structlog, typing-extensions, typing-inspection, uvicorn),
installed by `pip install --no-index --no-deps --target /tmp/site` and found by
`PYTHONPATH=/tmp/site`; the bundle; wrk behind a script that sets `LD_LIBRARY_PATH` for it alone.
onnxruntime-gpu's wheel and the fp32 graph are larger than a call: `split -b 45m`, a part a call,
each copied to /tmp while the machine is warm, and joined by the last call, which runs this module
with `--json $OUT/gpu.json`.
"""
