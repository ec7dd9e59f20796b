FLOW_FIELDS: tuple[str, ...]
EVENT_KINDS: tuple[str, ...]
END_REASONS: tuple[str, ...]
