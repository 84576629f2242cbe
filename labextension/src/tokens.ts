import { Token } from '@lumino/coreutils';

/**
 * The answer of the server extension to "are you there?".
 */
export interface IHealth {
  /**
   * `ok`: the server extension answers.
   */
  readonly status: 'ok';

  /**
   * The version of the coderemote wheel on the server.
   */
  readonly version: string;
}

/**
 * The HTTP API of coderemote's server extension.
 */
export interface ICodeRemoteApi {
  /**
   * Ask the server extension whether it is up.
   *
   * @returns A promise that is rejected with a `ServerConnection.NetworkError` when the server
   * cannot be reached, with a `ServerConnection.ResponseError` when it refuses, and with a
   * `TypeError` when what answers is not coderemote.
   */
  health(): Promise<IHealth>;
}

/**
 * The token by which other plugins reach coderemote's API.
 */
export const ICodeRemoteApi = new Token<ICodeRemoteApi>(
  'coderemote:ICodeRemoteApi',
  "The HTTP API of coderemote's server extension."
);
