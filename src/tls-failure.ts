/** Codes of Node and OpenSSL that say: this certificate, key or protocol. A network that fails has others. */
const UNVERIFIED =
  /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|UNABLE_TO_(?:GET|VERIFY)_|HOSTNAME_MISMATCH$)/

const MAX_DEPTH = 5

/** What is looked at; the driver's error for a deployment without a usable server tells the last error of each server. */
interface Failure {
  readonly code?: unknown
  readonly message?: unknown
  readonly cause?: unknown
  readonly reason?: { readonly servers?: unknown }
}

/**
 * Whether TLS is why a connection failed, which waiting doesn't mend: a certificate that isn't accepted, a key that
 * can't be read, or a port that speaks no TLS. Of a deployment with several servers only if it is so for all of them.
 */
export function isTlsFailure(error: unknown): boolean {
  const servers = (error as Failure | null | undefined)?.reason?.servers
  if (servers instanceof Map && servers.size > 0) {
    return [...servers.values()].every((server: { readonly error?: unknown }) => causedByTls(server.error))
  }
  return causedByTls(error)
}

function causedByTls(error: unknown): boolean {
  let at = error as Failure | null | undefined
  for (let depth = 0; at && typeof at === 'object' && depth < MAX_DEPTH; depth++) {
    const { code, message } = at
    if (typeof code === 'string' && UNVERIFIED.test(code)) return true
    if (code === 'EPROTO' && /ssl|tls/i.test(String(message))) return true
    at = at.cause as Failure | null | undefined
  }
  return false
}
