"""The options that several commands share."""

from typing import Annotated

import typer

from schemas.events import RefusalClass

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for programs.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV on stdout, for spreadsheets.")]
Seller = Annotated[str | None, typer.Option("--seller", metavar="ID", help="Of this seller.")]
PolicyName = Annotated[str | None, typer.Option("--policy", metavar="NAME", help="Of this policy.")]
Zone = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Time zone of the times that are shown, such as America/Lima; by default TZ, then "
        "PLAZO_ZONE.",
    ),
]
PageLimit = Annotated[int, typer.Option(min=1, max=1_000, help="The most rows to print.")]
After = Annotated[
    str | None, typer.Option(metavar="PLACE", help="Go on behind this place of the list.")
]
WaitingForPerson = Annotated[
    bool,
    typer.Option("--waiting-for-person", help="Only those that a person has to see to."),
]

By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="The author of the action; by default the user."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only report what would be done.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="The most rows to print.")]
WithPersonalData = Annotated[
    bool,
    typer.Option("--with-personal-data", help="Print whole records, with names and texts."),
]

DeadLetter = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1)]
DeadLetters = Annotated[list[int] | None, typer.Argument(metavar="ID…", min=1, max=2**63 - 1)]
AllOfError = Annotated[
    RefusalClass | None, typer.Option("--error", help="All dead letters of this class of error.")
]
AllOpen = Annotated[bool, typer.Option("--all", help="All dead letters that are not settled.")]
