import { MongoServerSelectionError } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { failed } from '../../src/checkpoint/errors.js'
import { classifySourceError } from '../../src/source/classify-error.js'
import { isTlsFailure } from '../../src/tls-failure.js'

const withCode = (code: string, more: object = {}) => Object.assign(new Error('no'), { code, ...more })
const expired = withCode('CERT_HAS_EXPIRED')
const away = withCode('ECONNREFUSED')

/** What the driver throws: it found no server to use, and this is what each of them said. */
function selection(...errors: (Error | undefined)[]): Error {
  const servers = new Map(errors.map((error, i) => [`db${i}:27017`, { error }]))
  return new MongoServerSelectionError('no', { servers, error: errors[0] } as never)
}

describe('a failure of TLS', () => {
  it.each(['CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID', 'SELF_SIGNED_CERT_IN_CHAIN', 'ERR_OSSL_BAD_DECRYPT'])(
    'is known by its code %s, also when another error was made of it',
    code => {
      expect(isTlsFailure(withCode(code))).toBe(true)
      expect(isTlsFailure(new Error('outer', { cause: new Error('inner', { cause: withCode(code) }) }))).toBe(true)
    },
  )

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EPROTO', 'EACCES'])('is not %s', code => {
    expect(isTlsFailure(withCode(code))).toBe(false)
  })

  it('is none of a set as long as one member may still be reached', () => {
    expect(isTlsFailure(selection(expired, expired))).toBe(true)
    expect(isTlsFailure(selection(expired, away))).toBe(false)
    expect(isTlsFailure(selection(expired, undefined))).toBe(false)
  })

  it('ends with causes that contain themselves', () => {
    const circle = new Error('circle') as Error & { cause: unknown }
    circle.cause = circle
    expect(isTlsFailure(circle)).toBe(false)
    expect(isTlsFailure(undefined)).toBe(false)
  })

  it('ends the start of a source and of a store, which say what to look at', () => {
    const { action, error } = classifySourceError(selection(expired))
    expect([action, error.code, error.retryable]).toEqual(['refused', 'CDC_SOURCE_TLS_FAILED', false])
    expect(error.hint).toContain('tlsCAFile')
    expect(classifySourceError(withCode('ENOENT', { syscall: 'open' })).error.code).toBe('CDC_SOURCE_TLS_FAILED')
    expect(classifySourceError(away).action).toBe('retry')
    expect(failed('load', 'here', selection(expired))).toMatchObject({ retryable: false })
    // The file of a file store is no certificate.
    expect(failed('load', 'here', withCode('EACCES', { syscall: 'open' }))).toMatchObject({ retryable: true })
  })
})
