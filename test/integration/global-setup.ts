import type { TestProject } from 'vitest/node'
import { startServices } from '../../scripts/services/index.mjs'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A replica set of one member. */
    mongoUri: string
    /** A broker of our own, default virtual host. */
    amqpUrl: string
  }
}

/**
 * Real services, once for all files. What can't be had fails the run with the one message that lists what was tried:
 * nothing is skipped.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const services = await startServices()
  project.provide('mongoUri', services.mongo.uri)
  project.provide('amqpUrl', services.rabbit.url)
  return () => services.stop()
}
