"""Addresses below /api/v1/."""

from django.urls import path

from apps.deployments.api import (
    agents,
    announcements,
    deployments,
    environments,
    flag_rollouts,
    flagger,
    flags,
    releases,
    scaling,
)

urlpatterns = [
    path("releases", releases.ReleaseList.as_view(), name="api-releases"),
    path("releases/<uuid:release_id>", releases.ReleaseDetail.as_view(), name="api-release"),
    path("releases/<uuid:release_id>/withdraw", releases.ReleaseWithdraw.as_view(), name="api-release-withdraw"),
    path("environments", environments.EnvironmentList.as_view(), name="api-environments"),
    path("environments/<uuid:environment_id>", environments.EnvironmentDetail.as_view(), name="api-environment"),
    path("environments/<uuid:environment_id>/key", environments.EnvironmentKey.as_view(), name="api-environment-key"),
    path(
        "environments/<uuid:environment_id>/open", environments.EnvironmentOpen.as_view(), name="api-environment-open"
    ),
    path("environments/<uuid:environment_id>/freezes", environments.FreezeList.as_view(), name="api-freezes"),
    path(
        "environments/<uuid:environment_id>/freezes/<int:freeze_id>",
        environments.FreezeDetail.as_view(),
        name="api-freeze",
    ),
    path(
        "environments/<uuid:environment_id>/scale-policies",
        scaling.ScalePolicyList.as_view(),
        name="api-scale-policies",
    ),
    path("environments/<uuid:environment_id>/scale-events", scaling.ScaleEventList.as_view(), name="api-scale-events"),
    path("scale-policies/<uuid:scale_policy_id>", scaling.ScalePolicyDetail.as_view(), name="api-scale-policy"),
    path("agents/<str:environment_slug>/reports", agents.AgentReports.as_view(), name="api-agent-reports"),
    path("announcements", announcements.AnnouncementList.as_view(), name="api-announcements"),
    path("announcements/<uuid:announcement_id>", announcements.AnnouncementDetail.as_view(), name="api-announcement"),
    path("deployments", deployments.DeploymentList.as_view(), name="api-deployments"),
    path("deployments/<uuid:deployment_id>", deployments.DeploymentDetail.as_view(), name="api-deployment"),
    path(
        "deployments/<uuid:deployment_id>/verdict",
        deployments.DeploymentVerdict.as_view(),
        name="api-deployment-verdict",
    ),
    path(
        "deployments/<uuid:deployment_id>/outcome",
        deployments.DeploymentOutcome.as_view(),
        name="api-deployment-outcome",
    ),
    path(
        "environments/<uuid:environment_id>/flagger/<str:hook>",
        flagger.FlaggerHook.as_view(),
        name="api-flagger-hook",
    ),
    path(
        "deployments/<uuid:deployment_id>/approve",
        deployments.DeploymentApprove.as_view(),
        name="api-deployment-approve",
    ),
    path("deployments/<uuid:deployment_id>/start", deployments.DeploymentStart.as_view(), name="api-deployment-start"),
    path("deployments/<uuid:deployment_id>/abort", deployments.DeploymentAbort.as_view(), name="api-deployment-abort"),
    path(
        "deployments/<uuid:deployment_id>/resume", deployments.DeploymentResume.as_view(), name="api-deployment-resume"
    ),
    path(
        "deployments/<uuid:deployment_id>/accept", deployments.DeploymentAccept.as_view(), name="api-deployment-accept"
    ),
    path(
        "deployments/<uuid:deployment_id>/rollback",
        deployments.DeploymentRollback.as_view(),
        name="api-deployment-rollback",
    ),
    path("deployments/<uuid:deployment_id>/check", deployments.DeploymentGates.as_view(), name="api-deployment-check"),
    path(
        "deployments/<uuid:deployment_id>/notes", announcements.DeploymentNotes.as_view(), name="api-deployment-notes"
    ),
    path(
        "deployments/<uuid:deployment_id>/gates/<str:gate_id>/sign",
        deployments.GateSign.as_view(),
        name="api-gate-sign",
    ),
    path(
        "deployments/<uuid:deployment_id>/gates/<str:gate_id>/waive",
        deployments.GateWaive.as_view(),
        name="api-gate-waive",
    ),
    path("flags", flags.FlagList.as_view(), name="api-flags"),
    path("flags/stale", flags.FlagStale.as_view(), name="api-flags-stale"),
    path("flags/answers", flags.FlagAnswers.as_view(), name="api-flags-answers"),
    path("flags/<uuid:flag_id>", flags.FlagDetail.as_view(), name="api-flag"),
    path("flags/<uuid:flag_id>/rules", flags.FlagRules.as_view(), name="api-flag-rules"),
    path("flags/<uuid:flag_id>/kill", flags.FlagKill.as_view(), name="api-flag-kill"),
    path("flags/<uuid:flag_id>/revive", flags.FlagRevive.as_view(), name="api-flag-revive"),
    path("flag-rollouts", flag_rollouts.FlagRolloutList.as_view(), name="api-flag-rollouts"),
    path("flag-rollouts/<uuid:rollout_id>", flag_rollouts.FlagRolloutDetail.as_view(), name="api-flag-rollout"),
    path("flag-rollouts/<uuid:rollout_id>/stop", flag_rollouts.FlagRolloutStop.as_view(), name="api-flag-rollout-stop"),
    path(
        "flag-rollouts/<uuid:rollout_id>/resume",
        flag_rollouts.FlagRolloutResume.as_view(),
        name="api-flag-rollout-resume",
    ),
    path("experiments", flag_rollouts.ExperimentList.as_view(), name="api-experiments"),
    path("experiments/<uuid:experiment_id>", flag_rollouts.ExperimentDetail.as_view(), name="api-experiment"),
    path("experiments/<uuid:experiment_id>/end", flag_rollouts.ExperimentEnd.as_view(), name="api-experiment-end"),
]
