"""Tables of environments, releases, deployments, scaling, checklists, announcements, flags and experiments."""

from apps.deployments.models.announcements import Announcement
from apps.deployments.models.deployments import Command, Deployment, Sample, Stage, Step, Transition
from apps.deployments.models.environments import ConfigRevision, Environment, FreezeWindow, Strategy, Target
from apps.deployments.models.experiments import Experiment, Exposure
from apps.deployments.models.flag_rollouts import FlagRollout, FlagSample, FlagStage
from apps.deployments.models.flags import Flag, FlagRule, FlagStamp
from apps.deployments.models.gates import Approval, GateResult, Waiver
from apps.deployments.models.releases import Release
from apps.deployments.models.scaling import ScaleEvent, ScalePolicy, ScaleSample
from apps.deployments.models.states import State

__all__ = [
    "Announcement",
    "Approval",
    "Command",
    "ConfigRevision",
    "Deployment",
    "Environment",
    "Experiment",
    "Exposure",
    "Flag",
    "FlagRollout",
    "FlagRule",
    "FlagSample",
    "FlagStage",
    "FlagStamp",
    "FreezeWindow",
    "GateResult",
    "Release",
    "Sample",
    "ScaleEvent",
    "ScalePolicy",
    "ScaleSample",
    "Stage",
    "State",
    "Step",
    "Strategy",
    "Target",
    "Transition",
    "Waiver",
]
