import { OptionsError } from './errors.js'

/** Makes what turns a failed `import()` of a peer dependency into an error that says what to do. */
export function refuseMissing(name: string): (error: unknown) => never {
  return error => {
    const { code } = (error ?? {}) as { code?: unknown }
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error
    const hint = `install ${name} beside this package: npm install ${name}`
    throw new OptionsError('CDC_OPTION_INVALID', `The package ${name} can not be loaded`, { cause: error, hint })
  }
}
