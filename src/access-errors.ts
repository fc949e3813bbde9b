import { type CdcErrorCode, isCdcError } from './errors.js'

const ACCESS: readonly CdcErrorCode[] = ['CDC_SOURCE_UNAUTHORIZED', 'CDC_SOURCE_AUTH_FAILED', 'CDC_SOURCE_TLS_FAILED']

/** Whether MongoDB let nobody in: roles, passwords and certificates are changed at run time. */
export function isAccessError(error: unknown): boolean {
  return isCdcError(error) && ACCESS.includes(error.code)
}
