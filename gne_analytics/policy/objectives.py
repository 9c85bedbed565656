"""``objectives.yaml``: what better means, per policy; costs in one unit of the owner's choice."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from gne_analytics.evidence.segment import Frozen
from gne_analytics.policy._values import Amount, Count, Share


class Costs(Frozen):
    """What a mistake costs, in one unit of the owner's choice; absent figures come from ``default``."""

    wrongful_enforcement: Amount | None = None
    """An enforcement against a case that violates nothing."""
    missed_violation: Amount | None = None
    """A violating case that stays up."""
    review: Amount | None = None
    """One human review."""


class Margins(Frozen):
    """By how much a slice may get worse before a guardrail fails, as differences of shares of its cases."""

    wrongful_enforcement: Share | None = None
    missed_violation: Share | None = None
    ladder_exposure: Share | None = None
    """Share of sellers who newly reach a milestone."""
    slices: tuple[str, ...] | None = None
    """Dimensions to slice by, each with a guardrail per value."""


class Objective(Frozen):
    """What better means for one policy; absent entries come from ``default``."""

    cost: Costs = Costs()
    review_capacity: Count | None = None
    """Human reviews per week that the policy may use."""
    guardrails: Margins = Margins()

    def over(self, default: "Objective") -> "Objective":
        """Fill what this one leaves open from the default."""
        return Objective(
            cost=default.cost.model_copy(update=_given(self.cost)),
            review_capacity=default.review_capacity if self.review_capacity is None else self.review_capacity,
            guardrails=default.guardrails.model_copy(update=_given(self.guardrails)),
        )


FALLBACK: Final = Objective(
    cost=Costs(wrongful_enforcement=1.0, missed_violation=1.0, review=0.1),
    guardrails=Margins(
        wrongful_enforcement=0.01,
        missed_violation=0.01,
        ladder_exposure=0.01,
        slices=("market", "category", "seller_tier"),
    ),
)
"""What holds where objectives.yaml says nothing: both mistakes cost alike, a review a tenth, no capacity limit."""


class Objectives(Frozen):
    """``objectives.yaml``: what better means, per policy."""

    default: Objective = FALLBACK
    """For policies without an entry, and for the figures that an entry leaves out."""
    policies: Mapping[str, Objective] = Field(default_factory=dict)
    """Policy id -> its own figures."""

    def of(self, policy_id: str) -> Objective:
        """Return a policy's objective with every cost and margin filled in."""
        default = self.default.over(FALLBACK)
        return self.policies[policy_id].over(default) if policy_id in self.policies else default


def _given(model: Frozen) -> dict[str, object]:
    return {name: value for name, value in model if value is not None}
