"""A small decoder-only transformer with random weights and LoRA adapters, written once for numpy and for torch.

`serve` answers requests with it. It has learnt nothing, so what it says means nothing; but the arithmetic is real, an
adapter really changes the weights' effect, and on a GPU it runs there. Sources: A. Vaswani et al., "Attention Is
All You Need", 2017; E. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

LETTERS = "".join(chr(code) for code in range(32, 127))
WIDTH, HEADS, LAYERS, CONTEXT_MAX = 64, 4, 2, 128
RANK, SCALE = 4, 2.0
Array = Any
"""A numpy array or a torch tensor: only what both understand is used."""


@dataclass(frozen=True)
class Adapter:
    """What LoRA adds to the query and the output weights of each layer: `SCALE * down @ up`."""

    down: tuple[Array, ...]
    up: tuple[Array, ...]


class Transformer:
    """Weights from `seed`, and adapters by name, each from its own seed.

    `device` is `cpu` for numpy, or a device of torch such as `cuda`. The same seed gives the same weights anywhere.
    """

    def __init__(self, adapters: tuple[str, ...] = (), *, seed: int = 0, device: str = "cpu") -> None:
        self.device = device
        self._xp: Any = numpy if device == "cpu" else importlib.import_module("torch")
        luck = numpy.random.default_rng(seed)
        self._letters = self._weights(luck, len(LETTERS), WIDTH)
        self._places = self._weights(luck, CONTEXT_MAX, WIDTH)
        self._layers = [self._layer(luck) for _ in range(LAYERS)]
        self.adapters = {name: self._adapter(seed + 1 + place) for place, name in enumerate(adapters)}

    def say(self, prompt: str, adapter: str = "", letters_max: int = 32) -> Iterator[str]:
        """The likeliest next letter, again and again. Raises `KeyError` where there is no such adapter."""
        lora = self.adapters[adapter] if adapter else None
        said = [LETTERS.index(letter) for letter in prompt if letter in LETTERS] or [0]
        for _ in range(letters_max):
            chosen = int(self._xp.argmax(self.logits(said[-CONTEXT_MAX:], lora)[-1]))
            said.append(chosen)
            yield LETTERS[chosen]

    def logits(self, said: list[int], lora: Adapter | None = None) -> Array:
        """How likely each letter is behind each of those that were said."""
        stream = self._letters[said] + self._places[: len(said)]
        for place, layer in enumerate(self._layers):
            added = (SCALE * lora.down[place] @ lora.up[place]) if lora is not None else 0.0
            stream = stream + self._attention(self._normed(stream), layer, added)
            inner = self._normed(stream) @ layer["widen"]
            stream = stream + (inner * (inner > 0)) @ layer["narrow"]
        return self._normed(stream) @ self._letters.swapaxes(0, 1)

    def _attention(self, stream: Array, layer: Mapping[str, Array], added: Array) -> Array:
        xp, length = self._xp, stream.shape[0]
        query, key, value = (
            (stream @ weights).reshape(length, HEADS, WIDTH // HEADS).swapaxes(0, 1)
            for weights in (layer["query"] + added, layer["key"], layer["value"])
        )
        scores = query @ key.swapaxes(1, 2) / (WIDTH // HEADS) ** 0.5
        later = xp.triu(xp.ones_like(scores), 1) * 1e9
        raised = xp.exp(scores - later - xp.amax(scores - later, -1, keepdims=True))
        heard = raised / raised.sum(-1, keepdims=True) @ value
        return heard.swapaxes(0, 1).reshape(length, WIDTH) @ (layer["output"] + added)

    def _normed(self, stream: Array) -> Array:
        return stream / ((stream * stream).mean(-1, keepdims=True) + 1e-6) ** 0.5

    def _layer(self, luck: numpy.random.Generator) -> dict[str, Array]:
        square = {name: self._weights(luck, WIDTH, WIDTH) for name in ("query", "key", "value", "output")}
        return {
            **square,
            "widen": self._weights(luck, WIDTH, 4 * WIDTH),
            "narrow": self._weights(luck, 4 * WIDTH, WIDTH),
        }

    def _adapter(self, seed: int) -> Adapter:
        luck = numpy.random.default_rng(seed)
        down = tuple(self._weights(luck, WIDTH, RANK) for _ in range(LAYERS))
        return Adapter(down, tuple(self._weights(luck, RANK, WIDTH) for _ in range(LAYERS)))

    def _weights(self, luck: numpy.random.Generator, rows: int, columns: int) -> Array:
        values = (luck.standard_normal((rows, columns)) / rows**0.5).astype(numpy.float32)
        return values if self.device == "cpu" else self._xp.asarray(values, device=self.device)
