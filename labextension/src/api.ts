import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { ICodeRemoteApi, IHealth } from './tokens';

/**
 * Talks to coderemote's server extension; the only place here that knows HTTP.
 */
export class CodeRemoteApi implements ICodeRemoteApi {
  /**
   * Make a client of the API.
   *
   * @param options - Where the server is.
   */
  constructor(options: CodeRemoteApi.IOptions) {
    this._serverSettings = options.serverSettings;
  }

  /**
   * Ask the server extension whether it is up.
   */
  async health(): Promise<IHealth> {
    const answer = await this._get('health');
    if (!Private.isHealth(answer)) {
      throw new TypeError(
        `Not an answer of coderemote: ${JSON.stringify(answer)}`
      );
    }
    return answer;
  }

  private async _get(path: string): Promise<unknown> {
    const settings = this._serverSettings;
    const url = URLExt.join(settings.baseUrl, 'coderemote', 'api', path);
    const response = await ServerConnection.makeRequest(
      url,
      { method: 'GET' },
      settings
    );
    if (!response.ok) {
      throw await ServerConnection.ResponseError.create(response);
    }
    return response.json();
  }

  private readonly _serverSettings: ServerConnection.ISettings;
}

/**
 * A namespace for `CodeRemoteApi` statics.
 */
export namespace CodeRemoteApi {
  /**
   * What it takes to make a client.
   */
  export interface IOptions {
    /**
     * Base URL, token and fetch of the Jupyter Server.
     */
    serverSettings: ServerConnection.ISettings;
  }
}

namespace Private {
  export function isHealth(answer: unknown): answer is IHealth {
    if (typeof answer !== 'object' || answer === null) {
      return false;
    }
    const { status, version } = answer as Partial<Record<string, unknown>>;
    return status === 'ok' && typeof version === 'string';
  }
}
