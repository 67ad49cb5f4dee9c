"""``train``, ``compare`` and ``validate``: a study, from records to a model card or a page."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from features.digests import digest
from features.engines import Progress
from features.records import Records
from features.sources.cohorts import framingham
from features.synthetic import synthesise
from training.commands import OK, USAGE
from training.console import Steps
from training.studies import FRAMINGHAM, STUDIES, Study


def train(options: argparse.Namespace) -> int:
    """Run a study to its card and return the exit code."""
    if not options.demonstration and not options.contact:
        print("a card names whom to write to about the model: give --contact", file=sys.stderr)
        return USAGE
    from training import run  # MLflow takes seconds to import, and --help need not wait

    steps = Steps(run.TRAIN_STEPS + 1)
    study, records, folder = _prepared(options, steps)
    made = run.run(
        study,
        records,
        folder,
        reference=_reference(options),
        seed=int(options.seed),
        resamples=options.resamples,
        demonstration=options.demonstration,
        contact=options.contact,
        redo=_redo("train", options),
        steps=steps,
    )
    print()
    print("\n".join(run.headline(made.evidence, study)))
    print(f"\nModel card {made.card.digest[:12]}: {folder / 'bundle' / 'card.fr.html'} (fr), card.en.html (en)")
    if options.demonstration:
        print("Approved by the DEMONSTRATION key: no committee has examined it. Research use, not a medical device.")
    return OK


def compare(options: argparse.Namespace) -> int:
    """Judge models of a study on one page and return the exit code."""
    only = getattr(options, "model", [])
    names = [model.name for model in STUDIES[options.study].models(0)]
    if unknown := [name for name in only if name not in names]:
        print(f"{options.study} has no model {', '.join(unknown)}: choose among {', '.join(names)}", file=sys.stderr)
        return USAGE
    from training import run

    steps = Steps(run.COMPARE_STEPS + 1)
    study, records, folder = _prepared(options, steps)
    evidence = run.compare(
        study,
        records,
        folder,
        only=only,
        reference=_reference(options),
        seed=int(options.seed),
        resamples=options.resamples,
        redo=_redo("validate" if only else "compare", options),
        steps=steps,
    )
    print()
    print("\n".join(run.headline(evidence, study)))
    print(f"\nAll on one page: {folder / 'comparison.html'}")
    return OK


def _reference(options: argparse.Namespace) -> str:
    """Return the committee's reference; of data about nobody, or published for teaching, that there is none."""
    if not options.reference and options.store is None:
        return "none needed: teaching set" if options.study == FRAMINGHAM.name else "none needed: synthetic data"
    return options.reference or ""


def _redo(command: str, options: argparse.Namespace) -> str:
    """Return the command that does the same again; of a place only what another machine would have to fill in."""
    words = ["python", "-m", "training", command, "--study", options.study]
    if options.store is not None:
        words += ["--store", "RECORDS", "--reference", options.reference]
    elif options.study == FRAMINGHAM.name:
        words += ["--path", "FILE"]
    else:
        words += ["--patients", str(int(options.patients))]
    words += ["--seed", str(int(options.seed)), "--resamples", str(options.resamples)]
    if getattr(options, "contact", None):
        words += ["--contact", options.contact]
    for name in getattr(options, "model", []):
        words += ["--model", name]
    return shlex.join([*words, *(["--demonstration"] if getattr(options, "demonstration", False) else [])])


def _prepared(options: argparse.Namespace, steps: Steps) -> tuple[Study, Records, Path]:
    """Return the study, its records and the folder of its results."""
    study = STUDIES[options.study]
    folder: Path = options.folder / study.name
    folder.mkdir(parents=True, exist_ok=True)
    source = "a store" if options.store is not None else "framingham" if study is FRAMINGHAM else "synthetic"
    with steps(f"Records: {source}") as step:
        records = Records.open(options.store) if options.store is not None else _made(options, source, step.progress)
        rows = sum(d["rows"] for d in records.deliveries)
        step.note(f"{rows:,} records, digest {records.digest[:12]}")
    return study, records, folder


def _made(options: argparse.Namespace, source: str, progress: Progress) -> Records:
    """Return records made from the source: those of an earlier run if it made them from the same thing, else anew."""
    store, seed = options.folder / "records" / source, int(options.seed)
    if source == "framingham":
        if not options.path:
            raise FileNotFoundError(
                f"--study {FRAMINGHAM.name} needs --path: the CSV file of the longitudinal teaching set"
            )
        made_from = f"framingham {digest(Path(options.path).read_bytes())}"
    else:
        made_from = f"synthetic, {int(options.patients)} patients, seed {seed}, vigie {version('vigie')}"
    note = store.with_name(f"{source}.txt")  # beside the store, which holds records alone
    if store.exists() and note.exists() and note.read_text(encoding="utf-8") == made_from:
        return Records.open(store)
    if store.exists():
        shutil.rmtree(store)
    store.parent.mkdir(parents=True, exist_ok=True)
    if source == "framingham":
        records = framingham(Path(options.path), store)
    else:
        records = synthesise(store, patients=int(options.patients), seed=seed, progress=progress)
    note.write_text(made_from, encoding="utf-8")
    return records
