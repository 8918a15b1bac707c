"""Connects to an address all the time, from several threads, and counts what becomes of it.

    refusals.py HOST PORT FILE    until FILE is there; prints a JSON object. Makes FILE.begun with
                                  the first connection

A connection counts as answered when the server sends the first byte of an answer to one request;
as refused when it cannot be opened. Opened and not answered are those that a stopping server
closes: a client tries again, which is no refusal.
"""

import json
import os
import socket
import sys
import threading
import time

THREADS = 4
REQUEST = b"GET /openapi.json HTTP/1.1\r\nHost: confab\r\nConnection: close\r\n\r\n"


def attempt(address, counts, lock):
    began = time.monotonic()
    outcome = "answered"
    try:
        with socket.create_connection(address, timeout=30) as connection:
            try:
                connection.sendall(REQUEST)
                if not connection.recv(1):
                    outcome = "closed"
            except OSError:
                outcome = "closed"
    except OSError:
        outcome = "refused"
    took = time.monotonic() - began
    with lock:
        counts[outcome] += 1
        counts["longest_seconds"] = max(counts["longest_seconds"], round(took, 3))


def main():
    host, port, file = sys.argv[1:]
    counts = {"answered": 0, "closed": 0, "refused": 0, "longest_seconds": 0.0}
    lock = threading.Lock()

    def run():
        while not os.path.exists(file):
            attempt((host, int(port)), counts, lock)
            time.sleep(0.01)

    attempt((host, int(port)), counts, lock)
    open(file + ".begun", "w", encoding="utf-8").close()
    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(counts))


main()
