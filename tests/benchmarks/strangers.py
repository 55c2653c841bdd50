"""A run and files of other desks come in; how many of their tickets are told to be out of scope
goes out, beside the run's own held-out tickets.

    python -m tests.benchmarks.strangers --run runs/quickstart/run --foreign other.csv
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from tests.benchmarks import device, table
from tests.benchmarks.desk import SEED
from training.calibration.judge import judge
from training.checkpoint import Checkpoint, load
from training.conclude import CHECKPOINT
from training.data.dataset import encode_rows
from training.data.read import read_table
from training.data.sample import generate
from training.data.table import Row
from training.evaluate import predict_all

HEADER = ("tickets", "n", "out of scope")
LANGUAGES = (
    "Guten Tag, seit heute Morgen kann ich mich nicht mehr anmelden. Können Sie mir helfen?",
    "Die Rechnung vom letzten Monat enthält einen Betrag, den ich nicht verstehe.",
    "Bonjour, je n'arrive plus à ouvrir mon compte depuis la mise à jour d'hier.",
    "Pourriez-vous m'envoyer une copie de la facture du mois dernier ?",
    "Buenos días, la aplicación se cierra cada vez que intento subir un archivo.",
    "¿Podrían cambiar la dirección de facturación de nuestra empresa?",
    "Buongiorno, non riesco più a stampare dal mio computer in ufficio.",
    "Vorrei sapere quando arriva il nuovo portatile che ho ordinato.",
    "Goedemiddag, het systeem geeft een foutmelding bij het opslaan van een order.",
    "Bom dia, preciso de acesso à pasta partilhada da equipa de vendas.",
    "Dzień dobry, od wczoraj nie działa mi poczta na telefonie służbowym.",
    "Dobrý den, potřeboval bych obnovit heslo ke svému účtu.",
    "Hej, jag kan inte logga in på intranätet sedan i morse.",
    "Hei, tulostin ei vastaa ja kokous alkaa tunnin päästä.",
    "Merhaba, dün gönderdiğim dosya sistemde görünmüyor.",
    "Здравствуйте, после обновления программа больше не запускается.",
    "Добрый день, пришлите, пожалуйста, счёт за прошлый месяц.",
    "Καλημέρα, δεν μπορώ να συνδεθώ στον λογαριασμό μου.",
    "您好，我昨天提交的申请还没有收到回复。",
    "ログインしようとするとエラーが表示されます。",
)
SPAM = (
    "You have been chosen! Claim your prize of 5,000 now, only today, click the link below.",
    "Cheap watches and handbags, 80 % off, worldwide delivery, order before midnight.",
    "Dear friend, I am the lawyer of a late businessman and need your help to move his fortune.",
    "Grow your followers by ten thousand in a week, no risk, money back.",
    "Lose weight without sport with this one fruit that doctors do not want you to know.",
    "We buy gold and old jewellery at the best price in town, call us on Saturday.",
    "Hot stocks for the spring: three shares that will double by June.",
    "Improve your ranking: we write five hundred links for your website for a small fee.",
    "Last chance to book your dream cruise, cabins from 299, drinks included.",
    "Free casino spins are waiting for you, register with the code LUCKY.",
)


def strangers(foreign: list[Path], tickets: int) -> Iterator[tuple[str, list[Row]]]:
    """Names and rows: the generated desk, files, other languages, spam, keyboard noise."""
    yield "generated desk", generate(tickets, SEED)
    for path in foreign:
        everything, _ = read_table(path, (), max_reject_share=1.0)
        step = max(1, len(everything) // tickets)
        yield path.name, list(everything.rows[::step][:tickets])
    yield "twenty other-language tickets", _rows(LANGUAGES)
    yield "ten advertisements", _rows(SPAM)
    random = np.random.default_rng(0)
    letters = np.array(list("asdfghjklqwertyuiopzxcvbnm    "))
    noise = ["".join(random.choice(letters, 120)) for _ in range(100)]
    yield "keyboard noise", _rows(tuple(noise))


def _rows(texts: tuple[str, ...]) -> list[Row]:
    return [Row(str(place), "", text, {}) for place, text in enumerate(texts)]


def limit(checkpoint: Checkpoint) -> float:
    """The score beyond which a bundle of this checkpoint calls a ticket out of scope."""
    method = checkpoint.facts.scope_method
    judged = judge(checkpoint.tasks, checkpoint.predictions["calibration"], None, None, method)
    if judged.scope is None:
        raise SystemExit("; ".join(judged.notes) or "the checkpoint has no scope score")
    return judged.scope.threshold


def scores(checkpoint: Checkpoint, rows: list[Row]) -> np.ndarray:
    """How strange each ticket is, (tickets,)."""
    dataset = encode_rows(rows, checkpoint.tasks, checkpoint.tokenizer)
    assert checkpoint.scope is not None
    cpu = torch.device("cpu")
    found = predict_all(checkpoint.network, checkpoint.scope, dataset, cpu).scope_N
    assert found is not None
    return np.asarray(found)


def main(
    run: Annotated[Path, typer.Option(help="a run's directory")],
    foreign: Annotated[
        list[Path] | None, typer.Option(help="another desk's file; may be given more than once")
    ] = None,
    tickets: Annotated[int, typer.Option(min=10, help="of each desk, at most")] = 500,
) -> None:
    """The share of tickets that a bundle of this run gives to a human as out of scope."""
    checkpoint = load(run / CHECKPOINT)
    bar = limit(checkpoint)
    own = checkpoint.predictions["test"].scope_N
    found = [("its own test split", np.asarray(own))]
    found += [(name, scores(checkpoint, rows)) for name, rows in strangers(foreign or [], tickets)]
    lines = [(name, str(len(one)), f"{np.mean(one > bar):.1%}") for name, one in found]
    table.show(f"Out of scope for {run}", HEADER, lines, device.facts())


if __name__ == "__main__":
    typer.run(main)
