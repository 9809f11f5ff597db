"""A closed-loop load generator: so many connections, each posting one event after the other. Loopback only.

Usage: python -m bench.load URL KEY CONNECTIONS SECONDS → one line of JSON on stdout.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

import uvloop

_EVENT = (
    '{"schema_version":"1.0","tenant_id":"bench","store_id":"store_001","source_system":"pos_sim","event_id":"%s",'
    '"event_type":"SALE","occurred_at":"2026-02-25T00:00:00Z","txn_id":"txn-%s","currency":"USD","total_amount":42.5,'
    '"line_items":[{"sku":"SKU-AAA","qty":1,"amount":30.0},{"sku":"SKU-BBB","qty":1,"amount":12.5}]}'
)


async def _connection(host: str, port: int, key: str, end: float, latencies: list[float], codes: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    while time.perf_counter() < end:
        name = f"{random.getrandbits(96):024x}"
        body = (_EVENT % (name, name)).encode()
        started = time.perf_counter()
        writer.write(
            b"POST /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (key.encode(), len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        codes[head[9:12].decode()] += 1
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        latencies.append(time.perf_counter() - started)
    writer.close()


async def _run(url: str, key: str, connections: int, seconds: float) -> dict[str, object]:
    parts = urlsplit(url)
    if parts.hostname != "127.0.0.1" or parts.port is None:
        raise SystemExit("the load goes to loopback only")
    latencies: list[float] = []
    codes: Counter[str] = Counter()
    end = time.perf_counter() + seconds
    await asyncio.gather(
        *(_connection(parts.hostname, parts.port, key, end, latencies, codes) for _ in range(connections))
    )
    latencies.sort()
    return {
        "rate": len(latencies) / seconds,
        "p50_ms": 1000 * latencies[len(latencies) // 2],
        "p99_ms": 1000 * latencies[int(len(latencies) * 0.99)],
        "codes": dict(codes),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_run(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))))
