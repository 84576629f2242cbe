import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';

import { CodeRemoteApi } from './api';
import { ICodeRemoteApi } from './tokens';

export { ICodeRemoteApi, type IHealth } from './tokens';

const plugin: JupyterFrontEndPlugin<ICodeRemoteApi> = {
  id: 'coderemote:plugin',
  description: "Gives other plugins the API of coderemote's server extension.",
  autoStart: true,
  provides: ICodeRemoteApi,
  activate: (app: JupyterFrontEnd): ICodeRemoteApi =>
    new CodeRemoteApi({ serverSettings: app.serviceManager.serverSettings })
};

export default plugin;
