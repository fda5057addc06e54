"""Faults in the rule."""

from tests.simulation.mutants.fault import CYCLE, DECIDE, PlantedFault

PLANTED = (
    PlantedFault(
        "grace ignored",
        "no verdict before due + grace",
        50,
        23,
        (
            (
                "worker/domain/policy.py",
                "return due + self.grace",
                "return due",
            ),
        ),
    ),
    PlantedFault(
        "reminded without a look at the acts",
        "only a silent seller is reminded",
        300,
        37,
        ((DECIDE, "    if find(case) != Finding.SILENT:\n", "    if False:\n"),),
    ),
    PlantedFault(
        "reminded of a deadline that has moved",
        "a new deadline has reminders of its own",
        1500,
        898,
        ((DECIDE, " or at not in planned:", ":"),),
    ),
    PlantedFault(
        "< for <= at due",
        "24:00:00 counts as in time",
        100,
        3,
        (
            (
                DECIDE,
                "if act.occurred_at > case.order.due or",
                "if act.occurred_at >= case.order.due or",
            ),
        ),
    ),
    PlantedFault(
        "late evidence revokes nothing",
        "decision-revoked",
        100,
        3,
        ((DECIDE, "if finding != case.finding:", "if case.finding is None:"),),
    ),
    PlantedFault(
        "coverage not checked",
        "evidence-incomplete is never an auto-cancel",
        200,
        1,
        (
            (
                DECIDE,
                "if limits.evidence_since is not None and limits.evidence_since > order.entered_at:",
                "if False:",
            ),
        ),
    ),
    PlantedFault(
        "the execution of our auto-cancel revokes it",
        "each verdict once",
        300,
        32,
        (
            (
                CYCLE,
                "    return act.meaning == Meaning.CANCELED and any(\n",
                "    return False and any(\n",
            ),
        ),
    ),
    PlantedFault(
        "handling after a cancellation is no contradiction",
        "the rule",
        300,
        9,
        ((DECIDE, "    if _handled_after(case, first):\n", "    if False:\n"),),
    ),
    PlantedFault(
        "an order of two sellers is one of the first",
        "the rule",
        300,
        24,
        ((DECIDE, "    if _two_sellers(case):\n", "    if False:\n"),),
    ),
    PlantedFault(
        "silence that is nobody's business cancels",
        "no false cancel",
        300,
        87,
        ((DECIDE, "    if order.at_lapse == AtLapse.NONE:\n", "    if False:\n"),),
    ),
    PlantedFault(
        "late handling of an order that nobody waits for is told",
        "the rule",
        600,
        252,
        (
            (
                DECIDE,
                "    unwatched = case.order.at_lapse == AtLapse.NONE\n",
                "    unwatched = False\n",
            ),
        ),
    ),
    PlantedFault(
        "silence that is a person's business cancels",
        "no false cancel",
        300,
        57,
        ((DECIDE, "    if order.at_lapse == AtLapse.ESCALATE:\n", "    if False:\n"),),
    ),
    PlantedFault(
        "an amendment that another policy judges otherwise is no doubt",
        "no false cancel",
        300,
        57,
        (
            (
                DECIDE,
                "    if any(version.policy.at_lapse != order.at_lapse for version in case.versions):\n",
                "    if False:\n",
            ),
        ),
    ),
    PlantedFault(
        "the latest of several starts counts",
        "of the starts that are known the earliest counts",
        1500,
        18,
        (
            (
                CYCLE,
                "elif self.started_at is None and self._starts(act):",
                "elif self._starts(act):",
            ),
        ),
    ),
    PlantedFault(
        "a verdict from before its cancellation was known counts for the next cycle",
        "no missed deadline",
        6000,
        5649,
        (
            (
                CYCLE,
                "            and (not self.ended or decision.due == due or any(map(decision.knew, self.ended)))\n",
                "",
            ),
        ),
    ),
    PlantedFault(
        "a reminder is never sent",
        "a silent seller is reminded",
        200,
        30,
        (
            (
                DECIDE,
                "    return (Decision(case.decided + 1, Kind.REMINDER, Reason.DEADLINE_APPROACHES),)",
                "    return ()",
            ),
        ),
    ),
    PlantedFault(
        "unknown statuses say nothing",
        "no false cancel",
        300,
        57,
        (
            (
                DECIDE,
                "        return Finding.OBSCURE if obscure else Finding.SILENT\n",
                "        return Finding.SILENT\n",
            ),
        ),
    ),
    PlantedFault(
        "unknown statuses say nothing after an auto-cancel that a later deadline took back",
        "no false cancel",
        4000,
        2469,
        (
            (
                DECIDE,
                "any(not given.knew(place) for given in _told_cancels(case))",
                "any(not given.knew(place) for given in case.auto_cancels)",
            ),
        ),
    ),
    PlantedFault(
        "a verdict told again when a late cancellation splits its cycle",
        "each verdict once",
        13000,
        12018,
        ((CYCLE, "decision.due == due or ", ""),),
    ),
    PlantedFault(
        "a clock that was stopped runs on",
        "the rule",
        600,
        17,
        ((CYCLE, "                self.started_at = None\n", "                pass\n"),),
    ),
    PlantedFault(
        "a refusal that names nobody is no doubt",
        "no false cancel",
        600,
        31,
        ((DECIDE, "    if limits.astray_at is not None and", "    if False and"),),
    ),
)
