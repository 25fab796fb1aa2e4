"""Where the datasets can be fetched: the publisher first, then copies of the same files.

A mirror is a line of `_mirrors`; its files are checked like any other source.
"""

from collections.abc import Sequence
from typing import NamedTuple

from data_provider.prepare import asd, smd
from data_provider.prepare.servers import ALL, wanted_servers


class Remote(NamedTuple):
    """A file that can be fetched."""

    address: str
    place: str  # its path in the mirror's folder
    digest: str | None = None  # "md5:…" or "sha256:…" if its publisher states one


class Mirror(NamedTuple):
    """A place that has all files of a dataset."""

    folder: str  # its folder in the cache
    files: tuple[Remote, ...]
    package: str | None = None  # needed to read its files
    unpacked: bool = False  # whether its zip files are unpacked before reading


ON_REQUEST = {
    "SWAT": "iTrust provides it on request only: ask for SWaT.A1 & A2 at "
    "https://itrust.sutd.edu.sg/itrust-labs_datasets/, save the two sheets as CSV and name their folder with --source"
}

RAW = "https://raw.githubusercontent.com"
OMNI_ANOMALY = f"{RAW}/NetManAIOps/OmniAnomaly/master/ServerMachineDataset"
INTER_FUSION = f"{RAW}/zhhlee/InterFusion/master/data"
RAN_SYN_CODERS = f"{RAW}/eBay/RANSynCoders/main/data"
TELEMANOM = "https://s3-us-west-2.amazonaws.com/telemanom/data.zip"
TELEMANOM_LABELS = f"{RAW}/khundman/telemanom/master/labeled_anomalies.csv"
TRAN_AD = f"{RAW}/imperial-qore/TranAD/main/data/SMAP_MSL"
DC_DETECTOR = f"{RAW}/Razeeeeeeeeeee/DCdetector/a039938651dd6fab86243dad352eb0a0913a5acb/dataset"
EVENT_DETECT_R = f"{RAW}/cran/EventDetectR/master/data/geccoIC2018Train.rda"
EVENT_DETECT_R_DIGEST = "md5:e37aabb0445f7ba4a7925f9ef8686e50"  # as stated in the package's file MD5
UCR = "https://www.cs.ucr.edu/~eamonn/time_series_data_2018/UCR_TimeSeriesAnomalyDatasets2021.zip"
TSB_AD_U = "https://www.thedatum.org/datasets/TSB-AD-U.zip"

# Telemanom's channels, one file each.
CHANNELS = {
    "MSL": "C-1 C-2 D-14 D-15 D-16 F-4 F-5 F-7 F-8 M-1 M-2 M-3 M-4 M-5 M-6 M-7 P-10 P-11 P-14 P-15 S-2 T-12 T-13 "
    "T-4 T-5 T-8 T-9",
    "SMAP": "A-1 A-2 A-3 A-4 A-5 A-6 A-7 A-8 A-9 B-1 D-1 D-11 D-12 D-13 D-2 D-3 D-4 D-5 D-6 D-7 D-8 D-9 E-1 E-10 E-11 "
    "E-12 E-13 E-2 E-3 E-4 E-5 E-6 E-7 E-8 E-9 F-1 F-2 F-3 G-1 G-2 G-3 G-4 G-6 G-7 P-1 P-3 P-4 P-7 R-1 S-1 T-1 T-2 "
    "T-3",
}


def mirrors(name: str, servers: Sequence[str] = ()) -> list[Mirror]:
    """Return the mirrors of a dataset, in the order in which they are tried; only for `servers` if any are named.

    The list is empty if the dataset cannot be fetched.
    """
    if name in CHANNELS:
        return _telemanom(name)
    if name == "SMD":
        chosen = wanted_servers(name, servers or [ALL])
        parts = (*smd.PARTS, "interpretation_label") if servers else smd.PARTS
        return [Mirror("smd", _below(OMNI_ANOMALY, *(f"{part}/{server}.txt" for server in chosen for part in parts)))]
    if name == "ASD":
        return [_inter_fusion(wanted_servers(name, servers or [ALL]))]
    return {
        "PSM": [Mirror("psm", _below(RAN_SYN_CODERS, "train.csv", "test.csv", "test_label.csv"))],
        "GECCO": [
            Mirror("gecco", (Remote(EVENT_DETECT_R, "geccoIC2018Train.rda", EVENT_DETECT_R_DIGEST),), package="rdata"),
            _dc_detector("NIPS_TS_Water"),
        ],
        "SWAN": [_dc_detector("NIPS_TS_Swan")],
        "UCR": [Mirror("ucr", (Remote(UCR, "UCR_TimeSeriesAnomalyDatasets2021.zip"),))],
        "TSB-AD-U": [Mirror("tsb-ad-u", (Remote(TSB_AD_U, "TSB-AD-U.zip"),))],
    }.get(name, [])


def _below(address, *places):
    return tuple(Remote(f"{address}/{place}", place) for place in places)


def _telemanom(name):
    labels = Remote(TELEMANOM_LABELS, "labeled_anomalies.csv")
    files = [f"{part}/{channel}.npy" for channel in CHANNELS[name].split() for part in ("train", "test")]
    return [
        Mirror("telemanom", (Remote(TELEMANOM, "data.zip"), labels), unpacked=True),
        Mirror("telemanom-tranad", (*_below(TRAN_AD, *files), labels)),
    ]


def _inter_fusion(servers):
    arrays = [f"processed/{server}_{part}.pkl" for server in servers for part in asd.PARTS]
    events = [f"interpretation_label/{server}.txt" for server in servers]
    return Mirror("asd", _below(INTER_FUSION, *arrays, *events))


def _dc_detector(prefix):
    parts = [f"{prefix}_{part}.npy" for part in ("train", "test", "test_label")]
    return Mirror(prefix.lower(), _below(f"{DC_DETECTOR}/{prefix}", *parts))
