import {
  type RabbitOptions,
  type RabbitService,
  type RabbitVhost,
  startRabbit,
} from '../../../scripts/services/index.mjs'
import { type Observer, observe } from '../rabbit-publisher-tools.js'

// A broker of one test file alone, which may close its connections, change its passwords, or kill it.
export let rabbit: RabbitService
export let vhost: RabbitVhost
export let observer: Observer

/** Starts it, and looks into a virtual host of it. */
export async function startBroker(options?: RabbitOptions): Promise<void> {
  rabbit = await startRabbit(options)
  vhost = await rabbit.vhost()
  await observeAgain()
}

/** For an observer whose connection was closed. */
export async function observeAgain(): Promise<void> {
  await observer?.close()
  observer = await observe(vhost.url)
}

export async function stopBroker(): Promise<void> {
  await observer?.close()
  await rabbit?.stop()
}
