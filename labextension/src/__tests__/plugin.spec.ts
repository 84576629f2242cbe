import type { JupyterFrontEnd } from '@jupyterlab/application';
import { ServerConnection } from '@jupyterlab/services';

import plugin from '..';
import { ICodeRemoteApi } from '../tokens';
import schema from '../../schema/plugin.json';

describe('coderemote:plugin', () => {
  it('starts by itself and provides the API under its token', () => {
    expect(plugin.id).toBe('coderemote:plugin');
    expect(plugin.autoStart).toBe(true);
    expect(plugin.provides).toBe(ICodeRemoteApi);
  });

  it("gives an API that talks to the application's own server", async () => {
    const asked: string[] = [];
    const serverSettings = ServerConnection.makeSettings({
      baseUrl: 'http://127.0.0.1:9999/',
      fetch: async (input: RequestInfo | URL) => {
        asked.push(new Request(input).url);
        return new Response('{"status": "ok", "version": "0.1.0"}');
      }
    });
    const app = { serviceManager: { serverSettings } };

    const api = await plugin.activate(app as unknown as JupyterFrontEnd);
    await api.health();

    expect(asked).toHaveLength(1);
    expect(asked[0]).toContain('http://127.0.0.1:9999/coderemote/api/health');
  });

  it('has a settings schema that takes no unknown setting', () => {
    expect(schema.type).toBe('object');
    expect(schema.additionalProperties).toBe(false);
  });
});
