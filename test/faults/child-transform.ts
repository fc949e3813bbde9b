import { setTimeout as sleep } from 'node:timers/promises'
import type { ChangeStreamDocument } from 'mongodb'
import { changeEventMessage, type RabbitMessage, type Transform } from '../../src/index.js'
import { poisonKinds, poisonOf } from '../integration/support/poison.js'
import type { Mischief } from './child-options.js'
import type { Random } from './random.js'

export interface MischievousTransform {
  readonly transform: Transform<ChangeStreamDocument, RabbitMessage>
  begin(mischief: Mischief): void
}

/** Shapes messages; some of them later, some not at all, as documents and faults want it. */
export function mischievousTransform(slow: number, random: Random): MischievousTransform {
  const shape = changeEventMessage({ routingKey: '{coll}.{operation}', tokenHeader: true })
  let mischief: Mischief | undefined

  function transform(event: ChangeStreamDocument): RabbitMessage | Promise<RabbitMessage> {
    const poison = poisonOf(event)
    if (poison !== undefined) return poisonKinds[poison]?.spoil(shape(event), event) as RabbitMessage
    if (mischief && random.chance(mischief.share)) {
      // For ever: only its time-out ends it.
      if (mischief.what === 'hangs') return new Promise(() => {})
      throw Object.assign(new Error('A service was away'), { retryable: true })
    }
    if (!random.chance(slow)) return shape(event)
    return sleep(random.between(0, 30)).then(() => shape(event))
  }

  return {
    transform,
    begin(wanted) {
      mischief = wanted
      setTimeout(() => {
        if (mischief === wanted) mischief = undefined
      }, wanted.ms)
    },
  }
}
