import { ServerConnection } from '@jupyterlab/services';

import { CodeRemoteApi } from '../api';

const BASE_URL = 'http://127.0.0.1:8888/user/ada/';

/**
 * An API whose server gives one answer, and the requests that server saw.
 */
function apiAnswering(
  status: number,
  body: unknown
): { api: CodeRemoteApi; requests: Request[] } {
  const requests: Request[] = [];
  const serverSettings = ServerConnection.makeSettings({
    baseUrl: BASE_URL,
    token: 'secret',
    fetch: async (input: RequestInfo | URL, init?: RequestInit) => {
      requests.push(new Request(input, init));
      return new Response(JSON.stringify(body), { status });
    }
  });
  return { api: new CodeRemoteApi({ serverSettings }), requests };
}

describe('CodeRemoteApi', () => {
  it('asks for health below the base URL, with the token', async () => {
    const { api, requests } = apiAnswering(200, {
      status: 'ok',
      version: '0.1.0'
    });

    await expect(api.health()).resolves.toEqual({
      status: 'ok',
      version: '0.1.0'
    });

    expect(requests).toHaveLength(1);
    const [request] = requests;
    const path = new URL(request.url).pathname;
    expect(path).toBe('/user/ada/coderemote/api/health');
    expect(request.headers.get('Authorization')).toBe('token secret');
  });

  it('rejects with what the server said when it refuses', async () => {
    const { api } = apiAnswering(403, { message: 'Forbidden' });

    const failure = api.health();

    await expect(failure).rejects.toBeInstanceOf(
      ServerConnection.ResponseError
    );
    await expect(failure).rejects.toMatchObject({ message: 'Forbidden' });
  });

  it.each([
    ['null', null],
    ['a list', []],
    ['another status', { status: 'down', version: '0.1.0' }],
    ['no version', { status: 'ok' }]
  ])('does not take %s for an answer of coderemote', async (_, body) => {
    const { api } = apiAnswering(200, body);

    await expect(api.health()).rejects.toThrow(TypeError);
  });
});
