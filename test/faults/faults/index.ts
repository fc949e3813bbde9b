import type { Fault } from '../stage.js'
import { mongoCommands, store } from './mongo-commands.js'
import { mongoMembers } from './mongo-members.js'
import { amqpNetwork, mongoNetwork } from './network.js'
import { data, pipelineProcess, transforms } from './own.js'
import { rabbitBroker } from './rabbit.js'

/** Every kind of fault in the bag. */
export const faults: readonly Fault[] = [
  ...mongoMembers,
  ...mongoCommands,
  ...mongoNetwork,
  ...rabbitBroker,
  ...amqpNetwork,
  ...pipelineProcess,
  ...store,
  ...transforms,
  ...data,
]

export function faultOf(name: string): Fault {
  const found = faults.find(fault => fault.name === name)
  if (!found) throw new Error(`There is no fault "${name}"`)
  return found
}
