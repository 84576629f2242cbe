"""Lying to the relay: garbage on the wall, and messages that no honest kernel would send.

Attacks that write to the wall are only worth something if the forger forges well: the runner checks
that with `CONTROL`, whose message is honest and has to arrive.
"""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category, Request

__all__ = ["ATTACKS", "CONTROL"]

_attack = partial(Attack, category=Category.FORGERY)

CONTROL = Attack(
    id="forgery-control",
    category=Category.FORGERY,
    title="an honest message, written to the wall by hand, arrives",
    code="""
attempt()
forge(IOPUB, "stream", {"name": "stdout", "text": "by hand"})
""",
)


def _garbage(name: str, title: str, code: str) -> Attack:
    """Return an attack that writes raw bytes to the wall."""
    return _attack(
        id=f"garbage-{name}", title=title, dirty=True, code=f"wall()\nattempt(0.1)\n{code}\n"
    )


def _forged(name: str, title: str, code: str, *, stock: bool = False) -> Attack:
    """Return an attack that sends whole but dishonest messages."""
    start = "" if stock else "wall()\n"
    return _attack(
        id=f"forgery-{name}", title=title, stock=stock, code=f"{start}attempt(0.05)\n{code}\n"
    )


ATTACKS = (
    _garbage("random", "random bytes", "push(os.urandom(100_000))"),
    _garbage("zeros", "a megabyte of zeros: frames of no length", "push(bytes(1 << 20))"),
    _garbage("ones", "a declared length of 4 GiB", "push(b'\\xff' * 4096)"),
    _garbage(
        "huge",
        "a declared length of 1 GiB, sent slowly, then silence",
        "push(struct.pack('<I', 1 << 30))\nfor _ in range(64):\n    push(bytes(1 << 20))",
    ),
    _garbage(
        "truncated", "a frame that never ends", "push(struct.pack('<IBH', 1000, IOPUB, 7) + b'x')"
    ),
    _garbage(
        "byte-by-byte",
        "a frame a byte at a time",
        "for byte in pack(IOPUB, parts('stream', {'name': 'stdout', 'text': mark}, {'msg_id': 'none'})):\n"
        "    push(bytes([byte]))",
    ),
    _garbage(
        "no-parts", "frames without parts", "push(pack(IOPUB, []) * 1000 + pack(SHELL, []) * 1000)"
    ),
    _garbage(
        "many-parts",
        "65535 parts, of nothing",
        "push(struct.pack('<IBH', 3 + 4 * 65535, IOPUB, 65535) + bytes(4 * 65535))",
    ),
    _garbage(
        "wrong-parts",
        "parts that are longer than their frame",
        "for lengths in ((0xFFFFFFFF,), (0x80000000, 0x80000000), (5, 5)):\n"
        "    body = struct.pack('<BH', IOPUB, len(lengths)) + struct.pack(f'<{len(lengths)}I', *lengths) + b'x'\n"
        "    push(struct.pack('<I', len(body)) + body)",
    ),
    _garbage(
        "channels",
        "every channel number there is",
        "for channel in range(256):\n"
        "    push(pack(channel, parts('stream', {'name': 'stdout', 'text': mark}, {'msg_id': 'none'})))",
    ),
    _garbage(
        "no-delimiter",
        "messages of too few parts, and in another framing",
        "for body in ([b'x'], [b'<IDS|MSG>'], [b'<IDS|MSG>'] * 9, [b'a', b'<IDS|MSG>', b'', b'{}'], [b'<IDS|MSG>', b'', b'{}', b'{}', b'{}', b'{}']):\n"
        "    for channel in range(5):\n        push(pack(channel, body))",
    ),
    _garbage(
        "many-routes",
        "a message with hundreds of parts in front and behind",
        "body = parts('execute_reply', {'status': mark}, {})\n"
        "push(pack(SHELL, [os.urandom(8)] * 900 + body) + pack(SHELL, body + [b'x'] * 900) + pack(IOPUB, body + [b'x'] * 900))",
    ),
    _garbage(
        "hashes",
        "objects and lists where a key is looked up",
        "for junk in ({}, [], [[]], {'a': []}, None, True, 1.5, -1, ''):\n"
        "    body = {'name': 'stdout', 'text': mark}\n"
        "    headers = ({'msg_type': junk}, {'msg_type': 'stream', 'msg_id': junk, 'session': junk})\n"
        "    for channel in (SHELL, CONTROL, STDIN, IOPUB):\n"
        "        for header in headers:\n"
        "            for about in ({'msg_id': junk, 'msg_type': junk}, {'msg_id': junk}, {}):\n"
        "                push(pack(channel, [json.dumps(part).encode() for part in (header, about, junk, body)]))\n"
        "    forge(IOPUB, 'stream', {'name': junk, 'text': 'x'})\n"
        "    forge(IOPUB, 'status', {'execution_state': junk})\n"
        "    push(pack(IOPUB, [json.dumps(part, default=str).encode() for part in ({'msg_type': junk}, parent()[0], junk, junk)]))",
    ),
    _garbage(
        "wrong-replies",
        "every field of every reply of the wrong type",
        "for kind in ('execute_reply', 'complete_reply', 'inspect_reply', 'is_complete_reply', 'comm_info_reply', 'kernel_info_reply',\n"
        "             'debug_reply', 'usage_reply', 'list_subshell_reply', 'interrupt_reply'):\n"
        "    for junk in ({}, [], None, 1, 'x', [{}], {'x': {}}):\n"
        "        content = {name: junk for name in ('status', 'payload', 'user_expressions', 'execution_count', 'matches', 'data', 'metadata', 'comms', 'language_info')}\n"
        "        for channel in (SHELL, CONTROL):\n"
        "            forge(channel, kind, content)\n"
        "            forge(channel, kind, {**content, 'status': 'error', 'traceback': junk})",
    ),
    _garbage(
        "not-json",
        "headers that are not JSON, not objects, not UTF-8",
        "for junk in (b'', b'{', b'[]', b'null', b'1', b'\"x\"', b'\\xff\\xfe', b'{\"a\":\"\\xed\\xa0\\x80\"}', b'\\x00' * 100):\n"
        "    for place in range(4):\n"
        "        message = parts('stream', {'name': 'stdout', 'text': mark}, {'msg_id': 'none'})\n"
        "        message[place] = junk\n"
        "        push(pack(IOPUB, message))",
    ),
    _garbage(
        "numbers",
        "NaN, infinity and numbers of a million digits",
        "for junk in (b'NaN', b'Infinity', b'-Infinity', b'1e999', b'9' * 1_000_000, b'1' * 5000):\n"
        "    forge(IOPUB, 'display_data', b'{\"data\": {\"application/json\": ' + junk + b'}, \"metadata\": {}}')",
    ),
    _garbage(
        "deep",
        "JSON nested a hundred thousand deep",
        "forge(IOPUB, 'display_data', b'{\"data\":' * 100_000 + b'1' + b'}' * 100_000)\n"
        "forge(IOPUB, 'stream', b'[' * 1_000_000)",
    ),
    _garbage(
        "surrogates",
        "lone surrogates and NUL in text",
        'forge(IOPUB, \'stream\', b\'{"name": "stdout", "text": "\\\\ud800"}\')\n'
        'forge(IOPUB, \'stream\', b\'{"name": "stdout\\\\u0000", "text": "\\\\udfff\\\\u0000"}\')\n'
        "forge(SHELL, 'execute_reply', b'{\"status\": \"\\\\ud800\"}')",
    ),
    _garbage(
        "duplicate-keys",
        "a key twice: which one is checked, and which is believed?",
        "real = parent()[0]\n"
        "header = json.dumps({'msg_id': 'x', 'msg_type': 'stream', 'username': '', 'session': '', 'date': '', 'version': '5.3'})\n"
        'twice = header[:-1] + \', "msg_type": "shutdown_reply", "msg_type": "crm_unknown"}\'\n'
        "message = parts('stream', {'name': 'stdout', 'text': mark}, real)\n"
        "message[0] = twice.encode()\n"
        "push(pack(IOPUB, message))\n"
        'forge(IOPUB, \'status\', b\'{"execution_state": "busy", "execution_state": "dead"}\')',
    ),
    _garbage(
        "wrong-types",
        "every field of every message of the wrong type",
        "for kind in ('stream', 'display_data', 'execute_result', 'error', 'status', 'comm_open', 'comm_msg', 'clear_output',\n"
        "             'update_display_data', 'execute_input', 'comm_close', 'debug_event'):\n"
        "    for content in ({}, {'name': {}}, {'name': [], 'text': 'x'}, {'data': 1}, {'data': [], 'metadata': 1}, {'name': {}, 'text': []}, {'traceback': 1, 'ename': []},\n"
        "                    {'execution_state': []}, {'comm_id': {}, 'data': 'x', 'target_name': []}, {'data': {'text/html': {'a': []}}},\n"
        "                    {'data': {'image/png': [1, None]}, 'metadata': [], 'transient': 'x'}):\n"
        "        forge(IOPUB, kind, content)",
    ),
    _garbage(
        "notes",
        "the worker's own remarks to the relay, forged",
        "for text in (b'ready', b'start failed', b'exit 0', b'signal 9', b'', b'x' * 100_000):\n"
        "    push(pack(NOTE, [text]))\n    push(pack(NOTE, [b'ready', text]))",
    ),
    _forged(
        "unknown-parent",
        "output for a request that nobody made",
        "send('stream', {'name': 'stdout', 'text': mark}, {'msg_id': 'never-made', 'msg_type': 'execute_request'})\n"
        "send('display_data', {'data': {'text/plain': mark}, 'metadata': {}}, {'msg_id': 'x' * 100_000})",
        stock=True,
    ),
    _forged(
        "parent-type",
        "a true parent's id under a false type",
        "real, _ = parent()\n"
        "send('stream', {'name': 'stdout', 'text': 'x'}, {**real, 'msg_type': 'shutdown_request', 'username': 'admin'})",
        stock=True,
    ),
    _forged(
        "unknown-type",
        "message types that no kernel has",
        "for kind in ('crm_unknown', 'execute_request', 'input_reply', 'kernel_info_reply', '__proto__', '', 'x' * 10_000):\n"
        "    send(kind, {'text': mark})",
        stock=True,
    ),
    _forged(
        "dead",
        "say that the kernel is dead, restarting, or in a state of one's own",
        "for state in ('dead', 'restarting', 'autorestarting', 'terminating', 'crm', 7):\n"
        "    send('status', {'execution_state': state, 'mark': mark})",
        stock=True,
    ),
    _forged(
        "idle",
        "say idle, busy and starting again and again before the end",
        "for state in ('idle', 'busy', 'starting', 'idle', 'idle'):\n    send('status', {'execution_state': state})",
        stock=True,
    ),
    _forged(
        "second-reply",
        "answer the request before it is answered",
        "forge(SHELL, 'execute_reply', {'status': 'ok', 'execution_count': 1, 'user_expressions': {}, 'payload': []})\n"
        "forge(SHELL, 'execute_reply', {'status': 'ok', 'execution_count': 1, 'user_expressions': {}, 'payload': []})",
    ),
    _forged(
        "reply-unasked",
        "answer requests that nobody made, on every channel",
        "for channel in (SHELL, CONTROL):\n"
        "    for kind in ('kernel_info_reply', 'shutdown_reply', 'interrupt_reply', 'history_reply', 'debug_reply', 'inspect_reply', 'comm_info_reply'):\n"
        "        forge(channel, kind, {'status': 'ok', 'mark': mark}, {'msg_id': 'never-made', 'msg_type': kind.replace('reply', 'request')})\n"
        "        forge(channel, kind, {'status': 'ok', 'mark': mark})",
    ),
    _forged(
        "reply-other-type",
        "answer a request with the reply to another",
        "for kind in ('shutdown_reply', 'kernel_info_reply', 'input_reply', 'execute_request', 'crm_reply'):\n"
        "    forge(SHELL, kind, {'status': 'ok', 'restart': True, 'mark': mark})",
    ),
    _forged(
        "shutdown",
        "announce a shutdown to every client",
        "send('shutdown_reply', {'status': 'ok', 'restart': False, 'mark': mark})\n"
        "send('shutdown_reply', {'status': 'ok', 'restart': True, 'mark': mark}, {})",
        stock=True,
    ),
    _forged(
        "question",
        "ask for a password when no question is allowed",
        "send('input_request', {'prompt': 'Your token: ' + mark, 'password': True}, channel='stdin')",
        stock=True,
    ),
    _forged(
        "question-by-hand",
        "ask for a password on the wall, with and without a parent",
        "for about in (None, {}, {'msg_id': 'never-made'}):\n"
        "    forge(STDIN, 'input_request', {'prompt': 'Your token: ' + mark, 'password': True}, about)\n"
        "forge(STDIN, 'execute_request', {'code': mark})",
    ),
    _forged(
        "routes",
        "send to other clients by guessing their routing ids",
        "real = parent()[0]\n"
        "for route in (b'', b'\\0' * 5, b'\\0k\\x8bEg', os.urandom(5), b'x' * 255, b'x' * 100_000):\n"
        "    for front in ([route], [route, b'<IDS|MSG>', b'']):\n"
        "        push(pack(SHELL, front + parts('execute_reply', {'status': mark}, real)))\n"
        "        push(pack(STDIN, front + parts('input_request', {'prompt': mark, 'password': True}, real)))",
    ),
    _forged(
        "relay-metadata",
        "claim the relay's own accounting and tier",
        "real = parent()[0]\n"
        "message = parts('execute_reply', {'status': 'ok', 'execution_count': 1, 'user_expressions': {}, 'payload': []}, real)\n"
        "message[2] = json.dumps({'coderemote': {'tier': mark, 'wall_ms': -1}}).encode()\n"
        "push(pack(SHELL, message))",
    ),
    _attack(
        id="forgery-history",
        title="answer the client's question for its history with lies",
        code="""
kernel = get_ipython().kernel
attempt()
kernel.shell_handlers["history_request"] = lambda *a: kernel.session.send(a[0], "history_reply", {"history": [[0, 1, mark]]}, a[2], a[1])
""",
        then=(
            Request(
                msg_type="history_request",
                content={"hist_access_type": "tail", "n": 3, "raw": True, "output": False},
            ),
            Request(msg_type="kernel_info_request", content={}),
        ),
        dirty=True,
    ),
    _attack(
        id="forgery-deaf",
        title="never answer completion and inspection, or with something else",
        code="""
kernel = get_ipython().kernel
attempt()
def lie(stream, ident, parent):
    kernel.session.send(stream, "shutdown_reply", {"restart": False, "mark": mark}, parent, ident)
    kernel.session.send(stream, "complete_reply", {"matches": 7, "status": []}, parent, ident)
    kernel.session.send(stream, "complete_reply", {"matches": [], "status": "ok"}, parent, ident)
kernel.shell_handlers["complete_request"] = lie
""",
        then=(Request(msg_type="complete_request", content={"code": "x", "cursor_pos": 1}),),
        dirty=True,
    ),
    _attack(
        id="forgery-torn-out",
        title="tear the handlers out of the worker",
        code="""
kernel = get_ipython().kernel
attempt(0.1)
kernel.shell_handlers.clear()
kernel.control_handlers.clear()
kernel.iopub_socket = None
kernel.session = None
""",
        dirty=True,
    ),
)
