"""Puts the price on every answer and counts calls, tokens, money and time: innermost, so that each try is counted."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

import msgspec

from AgentOperatingSystem.errors import ModelError
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.prices import PriceList
from AgentOperatingSystem.ml.records import Cost, ModelDelta, ModelRequest, ModelResponse, Usage
from AgentOperatingSystem.ml.wrappers.around import Around
from AgentOperatingSystem.observability import metrics, spans, tracing
from AgentOperatingSystem.observability.tracing import Span


class CallReport(msgspec.Struct, frozen=True, kw_only=True):
    """One call to a provider, however it ended."""

    model: str
    """`provider/model`, as it was asked for."""
    outcome: str
    """`ok`, the code of a `ModelError`, or `aborted`."""
    seconds: float
    usage: Usage
    cost: Cost | None


Report: TypeAlias = Callable[[CallReport], None]


class Metered(Around):
    """Completes each response with its cost, or with why that is unknown, and reports each call."""

    def __init__(self, inner: ModelProvider, prices: PriceList, report: Report | None = None) -> None:
        super().__init__(inner)
        self._prices = prices
        self._report = report or count

    async def complete(self, request: ModelRequest) -> ModelResponse:
        began, span = _now(), self._asking(request)
        try:
            response = self._priced(await self.inner.complete(request))
        except BaseException as error:
            self._failed(error, began, span)
            raise
        self._answered(response, began, span)
        return response

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        began, whole, span = _now(), None, self._asking(request)
        try:
            async with aclosing(self.inner.stream(request)) as deltas:
                async for delta in deltas:
                    if delta.response is None:
                        yield delta
                        continue
                    whole = self._priced(delta.response)
                    self._answered(whole, began, span)
                    yield ModelDelta(response=whole)
        except BaseException as error:
            if whole is None:
                self._failed(error, began, span)
            raise

    def _asking(self, request: ModelRequest) -> Span:
        temperature, tokens_max = request.temperature, request.max_output_tokens
        return spans.asking(self.name, temperature=temperature, max_tokens=tokens_max)

    def _priced(self, response: ModelResponse) -> ModelResponse:
        provider, _, model = self.name.partition("/")
        cost, note = self._prices.cost(provider, (model, response.model), response.usage)
        return msgspec.structs.replace(response, cost=cost, cost_note=note)

    def _answered(self, response: ModelResponse, began: float, span: Span) -> None:
        usage = response.usage
        spans.answered(
            span,
            response__model=response.model,
            response__id=response.id,
            response__finish_reasons=(response.finish_reason,),
            usage__input_tokens=usage.input_tokens,
            usage__output_tokens=usage.output_tokens,
        )
        span.end()
        self._tell("ok", began, usage, response.cost)

    def _failed(self, error: BaseException, began: float, span: Span) -> None:
        """What a failed call consumed is known where its answer came and was no good."""
        tracing.fail(span, error)
        span.end()
        usage = error.usage if isinstance(error, ModelError) and isinstance(error.usage, Usage) else Usage()
        provider, _, model = self.name.partition("/")
        cost = self._prices.cost(provider, (model,), usage)[0]
        self._tell(error.code if isinstance(error, ModelError) else "aborted", began, usage, cost)

    def _tell(self, outcome: str, began: float, usage: Usage, cost: Cost | None) -> None:
        seconds = _now() - began
        self._report(CallReport(model=self.name, outcome=outcome, seconds=seconds, usage=usage, cost=cost))


def count(report: CallReport) -> None:
    """Adds a call to the metrics of this process."""
    metrics.increment("model.calls", model=report.model, outcome=report.outcome)
    metrics.histogram("model.call.duration", report.seconds, model=report.model)
    metrics.increment("model.tokens", report.usage.input_tokens or 0, model=report.model, kind="input")
    metrics.increment("model.tokens", report.usage.output_tokens or 0, model=report.model, kind="output")
    if report.cost is not None:
        metrics.increment("model.cost", float(report.cost.amount), model=report.model, currency=report.cost.currency)


def _now() -> float:
    return asyncio.get_running_loop().time()
