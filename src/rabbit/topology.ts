import { OptionsError } from '../errors.js'
import { assertBoolean, assertKnown, assertOneOf, assertText } from '../options.js'
import type { AmqpChannel } from './amqp-types.js'

/** An exchange to declare. */
export interface ExchangeOptions {
  /** At most 255 bytes. `''` is RabbitMQ's default exchange, which can't be declared: leave `exchange` out for it. */
  readonly name: string
  /** `x-…` names a type of a plugin. @default 'topic' */
  readonly type?: 'topic' | 'direct' | 'fanout' | 'headers' | `x-${string}`
  /** Survives a restart of the broker; without it messages are unroutable or refused after one. @default true */
  readonly durable?: boolean
  /** Deleted when its last binding goes. @default false */
  readonly autoDelete?: boolean
  /** For instance `{ 'alternate-exchange': 'unrouted' }`: what is routed there counts as delivered. @default none */
  readonly arguments?: Readonly<Record<string, unknown>>
}

/** A queue to declare. */
export interface QueueOptions {
  /** At most 255 bytes. */
  readonly name: string
  /** Survives a restart of the broker; without it confirmed messages are gone after one. @default true */
  readonly durable?: boolean
  /** Deleted when its last consumer goes, with what is in it. @default false */
  readonly autoDelete?: boolean
  /**
   * For instance `{ 'x-queue-type': 'quorum' }`. Everybody who declares the queue has to give the same ones.
   * @default none, so that a plain declaration by others agrees
   */
  readonly arguments?: Readonly<Record<string, unknown>>
}

/** A binding to make. */
export interface BindingOptions {
  /** @default the name in `queue` */
  readonly queue?: string
  /** @default the name in `exchange` */
  readonly exchange?: string
  /** A pattern for topic exchanges: `*` is one word, `#` any number of words. @default '#' */
  readonly routingKey?: string
  /** For headers exchanges. @default none */
  readonly arguments?: Readonly<Record<string, unknown>>
}

/** `assert`: declare, at every connect. `check`: only look whether exchange and queue exist. `none`: touch nothing. */
export type TopologyMode = 'assert' | 'check' | 'none'

/** Everything that has to stand before the first message, with all defaults filled in. */
export interface TopologyPlan {
  readonly mode: TopologyMode
  readonly exchange: Required<ExchangeOptions> | undefined
  readonly queue: Required<QueueOptions> | undefined
  readonly bindings: readonly Required<BindingOptions>[]
}

interface TopologyOptions {
  readonly exchange?: ExchangeOptions
  readonly queue?: QueueOptions
  readonly bindings?: readonly BindingOptions[]
  readonly topology?: TopologyMode
}

/** Checks the options and fills in the defaults. An exchange and a queue without `bindings` are bound with `#`. */
export function planTopology({ exchange, queue, bindings, topology = 'assert' }: TopologyOptions): TopologyPlan {
  assertOneOf('topology', topology, ['assert', 'check', 'none'])
  const plannedExchange = exchange && {
    ...checkEntity('exchange', exchange, ['name', 'type', 'durable', 'autoDelete', 'arguments']),
    type: assertText('exchange.type', exchange.type ?? 'topic', 255) as Required<ExchangeOptions>['type'],
  }
  if (queue && 'type' in queue) throw queueType()
  const plannedQueue = queue && checkEntity('queue', queue, ['name', 'durable', 'autoDelete', 'arguments'])
  const wanted = bindings ?? (exchange && queue ? [{}] : [])
  const plannedBindings = wanted.map((binding, i): Required<BindingOptions> => {
    const name = `bindings[${i}]`
    assertKnown(name, binding, ['queue', 'exchange', 'routingKey', 'arguments'])
    const routingKey = binding.routingKey ?? '#'
    return {
      queue: assertText(`${name}.queue`, binding.queue ?? queue?.name ?? '', 255),
      exchange: assertText(`${name}.exchange`, binding.exchange ?? exchange?.name ?? '', 255),
      routingKey: routingKey === '' ? '' : assertText(`${name}.routingKey`, routingKey, 255),
      arguments: binding.arguments ?? {},
    }
  })
  return { mode: topology, exchange: plannedExchange, queue: plannedQueue, bindings: plannedBindings }
}

function checkEntity<T extends QueueOptions>(
  kind: string,
  options: T,
  known: readonly string[],
): Required<QueueOptions> {
  assertKnown(kind, options, known)
  return {
    name: assertText(`${kind}.name`, options.name, 255),
    durable: assertBoolean(`${kind}.durable`, options.durable ?? true),
    autoDelete: assertBoolean(`${kind}.autoDelete`, options.autoDelete ?? false),
    arguments: options.arguments ?? {},
  }
}

/** RabbitMQ has types of exchanges as a field of their own, those of queues as an argument. */
function queueType(): OptionsError {
  return new OptionsError('CDC_OPTION_UNKNOWN', 'Unknown option `type` of queue', {
    hint: "the type is an argument: `arguments: { 'x-queue-type': 'quorum' }`",
  })
}

/** Whether declaring again can give an unroutable message a queue. */
export function routes({ mode, queue, bindings }: TopologyPlan): boolean {
  return mode === 'assert' && (queue !== undefined || bindings.length > 0)
}

/** Whether there is anything to do at all. */
export function isEmpty({ mode, exchange, queue, bindings }: TopologyPlan): boolean {
  return mode === 'none' || (exchange === undefined && queue === undefined && bindings.length === 0)
}

/** Declares or checks, in the order exchange, queue, bindings. Rejects with the broker's error of the first that fails. */
export async function applyTopology(channel: AmqpChannel, plan: TopologyPlan): Promise<void> {
  const { mode, exchange, queue, bindings } = plan
  if (mode === 'none') return
  if (mode === 'check') {
    if (exchange) await channel.checkExchange(exchange.name)
    if (queue) await channel.checkQueue(queue.name)
    return
  }
  if (exchange) await channel.assertExchange(exchange.name, exchange.type, exchange)
  if (queue) await channel.assertQueue(queue.name, queue)
  for (const binding of bindings) {
    await channel.bindQueue(binding.queue, binding.exchange, binding.routingKey, binding.arguments)
  }
}
