import { OptionsError } from '../errors.js'
import { assertTransform } from '../factories.js'
import { isUndecided, needsOf } from '../needs.js'
import { assertInteger, assertKnown, assertMethods, assertOneOf } from '../options.js'
import type { CircuitBreakerOptions } from './circuit.js'
import type { DeadLetterOptions } from './dead-letters.js'
import { type FailedEventPolicy, failedEventActions } from './failure-policy.js'
import type { CdcPipelineOptions } from './pipeline-options.js'

/** The options about failed events, checked. */
export interface FailureOptions<E, M> {
  readonly onFailedEvent: FailedEventPolicy<E>
  readonly deadLetter: DeadLetterOptions<E, M> | undefined
  readonly circuitBreaker: CircuitBreakerOptions | undefined
}

/** Checks the options about failed events, and that they fit together. @throws OptionsError */
export function resolveFailureOptions<E, M>(options: CdcPipelineOptions<E, M>): FailureOptions<E, M> {
  const { onFailedEvent = 'stop', deadLetter, circuitBreaker } = options
  if (typeof onFailedEvent !== 'function') assertOneOf('onFailedEvent', onFailedEvent, failedEventActions)
  if (onFailedEvent === 'dead-letter' && deadLetter === undefined) {
    const text = 'Expected `deadLetter` with `onFailedEvent: "dead-letter"`, got none'
    throw new OptionsError('CDC_OPTION_INVALID', text, {
      hint: 'Set `deadLetter: { message: deadLetterMessage({ exchange, routingKey }) }`',
    })
  }
  if (deadLetter !== undefined) assertDeadLetter(deadLetter)
  if (deadLetter !== undefined && needsOf(options.transform).hiding && isUndecided(deadLetter.message)) {
    throw undecidedLetters()
  }
  if (circuitBreaker !== undefined) assertCircuit(circuitBreaker)
  return { onFailedEvent, deadLetter, circuitBreaker }
}

/** The letters would hold what the transform hides, and nobody has said that they may. */
function undecidedLetters(): OptionsError {
  const text =
    'Expected `redact` of deadLetterMessage to be set, since the transform hides fields (redact, omit or pick), got nothing'
  return new OptionsError('CDC_OPTION_INVALID', text, {
    hint: 'Set `redact: redact({ … })`, or `omit` or `pick`, with paths as the source names them, or `redact: false` for whole events',
  })
}

function assertDeadLetter<E, M>(deadLetter: DeadLetterOptions<E, M>): void {
  assertKnown('`deadLetter`', deadLetter, ['sink', 'message'])
  if (deadLetter.sink !== undefined) assertMethods('deadLetter.sink', deadLetter.sink, ['publish', 'close'])
  assertTransform('deadLetter.message', deadLetter.message)
}

function assertCircuit(circuitBreaker: CircuitBreakerOptions): void {
  assertKnown('`circuitBreaker`', circuitBreaker, ['failures', 'of'])
  assertInteger('circuitBreaker.of', circuitBreaker.of, 1, 1_000_000)
  assertInteger('circuitBreaker.failures', circuitBreaker.failures, 1, circuitBreaker.of)
}
