"""Which wrong backend must fail which rules of the conformance suite, and no others."""

from __future__ import annotations

from dataclasses import dataclass

MODEL = frozenset({"generate", "system", "json", "embed", "continue"})
LISTING = frozenset({"listing"})


@dataclass(frozen=True)
class Case:
    """A backend that is wrong in one way.

    Args:
        name: of the class in `wrong_<kind>s`; its key is made of it.
        fails: ids of the rules that it must fail.
        capabilities: that it declares.
    """

    name: str
    fails: frozenset[str]
    capabilities: frozenset[str]

    @property
    def key(self) -> str:
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in self.name).strip("-")


def _model(name: str, *fails: str, without: str = "", extra: str = "") -> Case:
    return Case(name, frozenset(fails), (MODEL - set(without.split())) | set(extra.split()))


def _storage(name: str, *fails: str, extra: str = "") -> Case:
    return Case(name, frozenset(fails), LISTING | set(extra.split()))


MODELS = (
    _model("Right"),
    _model("ConnectsWhenBuilt", "B01"),
    _model("StartsThread", "B01"),
    _model("HealthIsBad", "B02"),
    _model("ClosesOnce", "B03"),
    _model("KeepsKey", "B04"),
    _model("SharesState", "B05"),
    _model("OneAtATime", "B06"),
    _model("SameIdTwice", "M01"),
    _model("FinishTwice", "M02"),
    _model("NoFinish", "M02"),
    _model("UsageTwice", "M02"),
    _model("UsageBelowZero", "M02"),
    _model("StartLate", "M02"),
    _model("StrangeEvent", "M02"),
    _model("ForgetsLimit", "M04"),
    _model("ForgetsStop", "M05"),
    _model("KeepsConnection", "M06", "W18", "W19"),
    _model("ContextIsInvalid", "M07"),
    _model("ForgetsSystem", "M08"),
    _model("ForgetsBeginning", "M09"),
    _model("ForgetsJson", "M10"),
    _model("PretendsJson", "M11", without="json"),
    _model("PretendsEmbedding", "M12", without="embed"),
    _model("PretendsCounting", "M13"),
    _model("CountsNothing", "M14", extra="count_tokens"),
    _model("MixesVectors", "E01"),
    _model("CutsBatches", "E02"),
    _model("NewFingerprints", "E03"),
)
WIRES = (
    _model("MangleWords", "W01"),
    _model("TidiesText", "W02", "W03", "W04"),
    _model("DecodesPieces", "W03"),
    _model("ForgetsLongLines", "W04"),
    _model("CountsItself", "W05"),
    _model("InventsUsage", "W06"),
    _model("HidesLength", "W07"),
    _model("HidesFilter", "W08"),
    _model("AuthIsInvalid", "W10"),
    _model("ForgetsRetryAfter", "W11"),
    _model("QuotaIsRate", "W12"),
    _model("TriesAgain", "W13"),
    _model("HealthyWhenGone", "W14"),
    _model("BeginsAgain", "W15"),
    _model("FinishesAnyway", "W16"),
    _model("SkipsGarbled", "W17"),
    _model("RaisesRaw", "W17"),
    _model("ForgetsDeadline", "W18"),
    _model("SwallowsCancel", "W19"),
    _model("HealthWrites", "W20"),
    _model("HealthBlocks", "W20"),
    _model("TellsKey", "W21"),
    _model("SharesKeys", "W22"),
)
# These answer by themselves, without a provider.
OFFLINE = (
    Case("OfflineRight", frozenset(), frozenset({"generate", "offline"})),
    Case("OfflineCalls", frozenset({"M03"}), frozenset({"generate", "offline"})),
    Case("OfflineEndless", frozenset({"M04"}), frozenset({"generate", "offline"})),
    Case("OfflineNoStop", frozenset({"M05"}), frozenset({"generate", "offline"})),
    Case("OfflineChokes", frozenset({"M07"}), frozenset({"generate", "offline"})),
)
STORAGES = (
    _storage("Right"),
    _storage("LosesBytes", "S01"),
    _storage("CutsLarge", "S02"),
    _storage("OnlyAscii", "S03"),
    _storage("LeadsOutside", "S04"),
    _storage("Overwrites", "S05", "S12"),
    _storage("ComplainsOfMissing", "S06"),
    _storage("OpensMissing", "S07"),
    _storage("ListsHalf", "S08"),
    _storage("NaiveTime", "S09"),
    _storage("ShowsHalfFiles", "S10"),
    _storage("EternalUrls", "S11", extra="temporary_urls"),
    _storage("MixesWriters", "S12"),
    _storage("OwesBytes", "S13"),
)
PUBLISHERS = (
    Case("Right", frozenset(), frozenset()),
    Case("NoId", frozenset({"P01"}), frozenset()),
    Case("Doubles", frozenset({"P02"}), frozenset()),
    Case("ComplainsOfGone", frozenset({"P03"}), frozenset()),
    Case("ForgetsKey", frozenset({"P04"}), frozenset()),
    Case("GoesBySlug", frozenset({"P05"}), frozenset()),
    Case("LosesWhatIsGone", frozenset({"P06"}), frozenset()),
)
CHECKS = (
    Case("Right", frozenset(), frozenset()),
    Case("SaysNothing", frozenset({"C01"}), frozenset()),
    Case("OddFigures", frozenset({"C02"}), frozenset()),
    Case("SeesNothing", frozenset({"C03"}), frozenset()),
    Case("Wavers", frozenset({"C04"}), frozenset()),
)
# Wrong visiting cards over the right backend.
CARDS = {
    "card-label": frozenset({"D01"}),
    "card-contract": frozenset({"D02"}),
    "card-name": frozenset({"D03"}),
    "card-requires": frozenset({"D04"}),
    "card-heavy": frozenset({"D05"}),
}
