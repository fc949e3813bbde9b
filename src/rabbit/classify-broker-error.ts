import { BrokerError, type CdcErrorCode, messageOf } from '../errors.js'
import { isTlsFailure } from '../tls-failure.js'

/** What was tried when it failed: the same AMQP code means another thing at another time. */
export type BrokerStage = 'connect' | 'topology' | 'publish'

/**
 * One error of amqplib, a socket or the broker → one of ours. It keeps the cause and says host and virtual host, never a
 * user or password. Only a known cause that waiting doesn't mend is not retryable; everything else is
 * `CDC_BROKER_UNAVAILABLE`. amqplib gives errors of the handshake no code, only a text.
 * Codes: https://www.rabbitmq.com/amqp-0-9-1-reference#constants
 */
export function classifyBrokerError(error: unknown, stage: BrokerStage, host: string): BrokerError {
  if (error instanceof BrokerError) return error
  const text = messageOf(error)
  const { code } = (error ?? {}) as { code?: unknown }
  const known = stage === 'connect' ? atConnect(text, error) : onChannel(text, code, stage)
  if (known === undefined) {
    return new BrokerError('CDC_BROKER_UNAVAILABLE', `${host}: ${text}`, { cause: error, retryable: true })
  }
  return new BrokerError(known.code, `${host}: ${text}`, { cause: error, hint: known.hint })
}

interface Known {
  readonly code: CdcErrorCode
  readonly hint: string
}

function atConnect(text: string, error: unknown): Known | undefined {
  if (/^Handshake terminated by server: 403\b/.test(text)) {
    return {
      code: 'CDC_BROKER_AUTH_FAILED',
      hint: 'check user name and password, or the name in the client certificate; `guest` may log in from localhost only',
    }
  }
  if (/^Expected ConnectionOpenOk; got <ConnectionClose/.test(text)) {
    const hint = 'check that the virtual host exists and the user may access it; a connection limit looks the same'
    return { code: 'CDC_BROKER_VHOST_MISSING', hint }
  }
  if (isTlsFailure(error)) {
    const hint = 'check `tls`: ca, cert, key, servername; when the certificate of the broker expires; and the port'
    return { code: 'CDC_BROKER_TLS_FAILED', hint }
  }
  return undefined
}

function onChannel(text: string, code: unknown, stage: BrokerStage): Known | undefined {
  if (code === 403) {
    const hint =
      'the user needs `write` on the exchange; `configure` to declare; to bind, `write` on the queue and `read` on the exchange'
    return { code: 'CDC_BROKER_ACCESS_REFUSED', hint }
  }
  if (stage !== 'topology') return undefined
  if (code === 404) {
    return { code: 'CDC_TOPOLOGY_MISSING', hint: 'create it, or let the publisher: `topology: "assert"`' }
  }
  if (code === 406) {
    const hint = 'ask for what exists, delete it, or leave it alone with `topology: "check"` or "none"'
    return { code: 'CDC_TOPOLOGY_MISMATCH', hint }
  }
  if (code === 405) {
    return { code: 'CDC_TOPOLOGY_MISMATCH', hint: 'the queue is exclusive to another connection' }
  }
  if (code === 503 && /exchange type/.test(text)) {
    return { code: 'CDC_TOPOLOGY_MISMATCH', hint: 'the plugin with this exchange type is not enabled' }
  }
  return undefined
}

const RECONNECTING: readonly CdcErrorCode[] = ['CDC_BROKER_UNAVAILABLE', 'CDC_BROKER_VHOST_MISSING']

/** What health says while this error stands. */
export function reasonOf({ code }: BrokerError): string {
  if (RECONNECTING.includes(code)) return 'reconnecting'
  return code.startsWith('CDC_TOPOLOGY') ? 'topology' : 'unauthorized'
}
