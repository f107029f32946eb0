"""Tables of environments, releases, deployments, checklists and announcements."""

from apps.deployments.models.announcements import Announcement
from apps.deployments.models.deployments import Command, Deployment, Sample, Stage, Step, Transition
from apps.deployments.models.environments import ConfigRevision, Environment, FreezeWindow, Strategy, Target
from apps.deployments.models.gates import Approval, GateResult, Waiver
from apps.deployments.models.releases import Release
from apps.deployments.models.states import State

__all__ = [
    "Announcement",
    "Approval",
    "Command",
    "ConfigRevision",
    "Deployment",
    "Environment",
    "FreezeWindow",
    "GateResult",
    "Release",
    "Sample",
    "Stage",
    "State",
    "Step",
    "Strategy",
    "Target",
    "Transition",
    "Waiver",
]
