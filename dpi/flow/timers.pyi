TIMEOUT_NAMES: tuple[str, ...]
