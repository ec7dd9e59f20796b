from typing import Any

KINDS: tuple[str, ...]

def parse_messages(data: bytes) -> list[dict[str, Any]]: ...
def verdict_message(
    queue: int, packet_id: int, verdict: int, mark: int | None = None, batch: bool = False
) -> bytes: ...
