"""The descriptor: what the portal shows before anything else of this package is imported."""

from __future__ import annotations

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor

descriptor = Descriptor(
    key="wordpress",
    kind="publish",
    label="WordPress",
    contract="1.1",
    target="aiwriter_publish_wordpress.backend:WordPressTarget",
    config=ConfigSchema(
        fields=(
            ConfigField(
                name="base_url",
                type="url",
                label="Address of the site",
                help="The site's own address, such as https://blog.example.org.",
            ),
            ConfigField(
                name="username",
                type="str",
                label="User name",
                help="The WordPress user who writes the posts; needs the role Author or more.",
            ),
            ConfigField(
                name="application_password",
                type="secret",
                label="Application password",
                help="Made in WordPress under Users, Profile, Application passwords; not the password of the sign-in.",
            ),
            ConfigField(
                name="post_type",
                type="choice",
                label="Make",
                help="What a document becomes there.",
                default="posts",
                choices=("posts", "pages"),
            ),
            ConfigField(
                name="categories",
                type="str",
                label="Categories",
                help="Names, with commas between them, that every post gets; made there when they are missing.",
                required=False,
            ),
            ConfigField(
                name="after_unpublish",
                type="choice",
                label="Taken down means",
                help="draft keeps the post there, not public; trash puts it into the bin of WordPress.",
                default="draft",
                choices=("draft", "trash"),
            ),
        )
    ),
    capabilities=frozenset({"images", "schedule", "draft", "categories", "tags"}),
    summary="Posts and pages of a WordPress site over its REST API, with pictures, categories and tags.",
)
