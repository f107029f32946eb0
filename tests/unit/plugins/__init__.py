"""First-party plugins over real connections, and the fake provider that the tests of all apps stand on."""
