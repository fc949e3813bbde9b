import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

// Node can check certificates but not make them, and not every machine has openssl: so DER by hand, as much of X.509
// (RFC 5280) as a test needs. All keys are P-256, all signatures ECDSA with SHA-256.

/** A certificate and its key in PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** What a certificate is to say. */
export interface CertificateRequest {
  readonly commonName: string
  /** IPv4 addresses and DNS names. */
  readonly hosts?: readonly string[]
  /** @default a day ago */
  readonly notBefore?: Date
  /** @default in a day */
  readonly notAfter?: Date
}

/** An authority of this process alone. */
export interface Authority {
  /** Its own certificate in PEM. */
  readonly ca: string
  issue(request: CertificateRequest): Certificate
}

const DAY_MS = 86_400_000

export function createAuthority(commonName: string): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signer = { name: commonName, key: own.privateKey, publicKey: own.publicKey }
  return {
    ca: certificate({ commonName }, own.publicKey, signer, true),
    issue(request) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
      return { cert: certificate(request, publicKey, signer, false), key }
    },
  }
}

interface Signer {
  readonly name: string
  readonly key: KeyObject
  readonly publicKey: KeyObject
}

function certificate(request: CertificateRequest, publicKey: KeyObject, signer: Signer, isAuthority: boolean): string {
  const { commonName, hosts = [] } = request
  const { notBefore = new Date(Date.now() - DAY_MS), notAfter = new Date(Date.now() + DAY_MS) } = request
  const extensions = [
    extension([2, 5, 29, 19], sequence(...(isAuthority ? [der(0x01, [0xff])] : [])), true),
    extension([2, 5, 29, 14], der(0x04, keyId(publicKey))),
    extension([2, 5, 29, 35], sequence(der(0x80, keyId(signer.publicKey)))),
    // digitalSignature; keyCertSign and cRLSign
    extension([2, 5, 29, 15], der(0x03, isAuthority ? [0x01, 0x06] : [0x07, 0x80]), true),
    ...(isAuthority ? [] : [extension([2, 5, 29, 37], sequence(oid(SERVER_AUTH), oid(CLIENT_AUTH)))]),
    ...(hosts.length > 0 ? [extension([2, 5, 29, 17], sequence(...hosts.map(generalName)))] : []),
  ]
  const toBeSigned = sequence(
    der(0xa0, der(0x02, [2])), // version 3
    der(0x02, [1, ...randomBytes(8)]),
    sequence(oid(ECDSA_SHA256)),
    nameOf(signer.name),
    sequence(time(notBefore), time(notAfter)),
    nameOf(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', toBeSigned, signer.key)
  const whole = sequence(toBeSigned, sequence(oid(ECDSA_SHA256)), der(0x03, [0, ...signature]))
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

const ECDSA_SHA256 = [1, 2, 840, 10045, 4, 3, 2]
const COMMON_NAME = [2, 5, 4, 3]
const SERVER_AUTH = [1, 3, 6, 1, 5, 5, 7, 3, 1]
const CLIENT_AUTH = [1, 3, 6, 1, 5, 5, 7, 3, 2]

function keyId(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

function extension(id: readonly number[], value: Buffer, critical: boolean = false): Buffer {
  return sequence(oid(id), ...(critical ? [der(0x01, [0xff])] : []), der(0x04, value))
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(commonName)))))
}

function generalName(host: string): Buffer {
  const isAddress = /^[\d.]+$/.test(host)
  return isAddress ? der(0x87, host.split('.').map(Number)) : der(0x82, Buffer.from(host))
}

/** UTCTime: enough until 2049. */
function time(date: Date): Buffer {
  return der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function oid([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  return der(0x06, [first * 40 + second, ...rest.flatMap(base128)])
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f]
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80)
  return bytes
}

/** Tag, length, value. */
function der(tag: number, value: Uint8Array | readonly number[]): Buffer {
  const { length } = value
  const short = length < 0x80
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.from([tag, ...(short ? [length] : long), ...value])
}
