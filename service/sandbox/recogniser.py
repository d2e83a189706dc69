"""pocketsphinx, taught the phrases and nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pocketsphinx
from pocketsphinx.lm import ArpaBoLM

from service.sandbox.phrases import PhraseBook


def phrase_endpointer() -> pocketsphinx.Endpointer:
    """An endpointer with a hangover of 270 ms. Its modes 0 and 1 merge sentences that are 0.8 s apart."""
    return pocketsphinx.Endpointer(window=0.3, ratio=0.9, vad_mode=2)


class PhraseRecogniser:
    """Recognises one utterance after the other, 16 kHz mono s16; built in a tenth of a second, 30 MB.

    What it returns passed the gate of the phrase book; it need not be one of the phrases.
    """

    def __init__(self, book: PhraseBook) -> None:
        self._book = book
        model = Path(pocketsphinx.get_model_path("en-us"))
        with tempfile.TemporaryDirectory(prefix="boothd-phrases-") as folder:
            words = _cut_dictionary(model / "cmudict-en-us.dict", book.words(), Path(folder, "phrases.dict"))
            # Without fwdflat and bestpath the last word is known 2 ms after the end instead of 40 to 90.
            self._decoder = pocketsphinx.Decoder(
                hmm=str(model / "en-us"),
                lm=str(_language_model(book, Path(folder, "phrases.lm"))),
                dict=str(words),
                fwdflat=False,
                bestpath=False,
                loglevel="FATAL",
            )
        # The decoder learns how loud and bright a voice is only by hearing it, so the first utterance is heard twice:
        # of 752 first phrases at four levels, 90 % were right at once and 96 % the second time.
        self._first: bytearray | None = bytearray()

    def begin(self) -> None:
        """A new utterance."""
        self._decoder.start_utt()

    def hear(self, pcm: bytes) -> None:
        """More of the utterance; takes 30 ms of CPU for each second."""
        if pcm:  # IndexError otherwise
            self._decoder.process_raw(pcm, False, False)
        if self._first is not None:
            self._first += pcm

    def guess(self) -> str | None:
        """What it seems to be so far, None if that is nothing the phrases would explain."""
        return self._gated()

    def end(self) -> str | None:
        """What it was; None: not understood."""
        self._decoder.end_utt()
        if self._first:
            pcm, self._first = bytes(self._first), None
            self.begin()
            self.hear(pcm)
            self._decoder.end_utt()
        return self._gated()

    def _gated(self) -> str | None:
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis and self._book.accepts(hypothesis.hypstr) else None


def _cut_dictionary(full: Path, words: frozenset[str], cut: Path) -> Path:
    """Only the lines of these words, other pronunciations "word(2)" included: loading all takes seconds."""
    lines = full.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.split(maxsplit=1)[0].split("(")[0] in words]
    cut.write_text("".join(kept), encoding="utf-8")
    return cut


def _language_model(book: PhraseBook, path: Path) -> Path:
    """What `pocketsphinx_lm --add-start` makes of the phrases."""
    model = ArpaBoLM(text="\n".join(book.phrases), add_start=True)
    model.compute()
    with path.open("w", encoding="utf-8") as file:
        model.write(file)
    return path
