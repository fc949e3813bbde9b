import type { PipelineEvents } from '../../../../src/events.js'
import type { CdcPipeline } from '../../../../src/pipeline/cdc-pipeline.js'
import { createCdcPipeline } from '../../../../src/pipeline/create-cdc-pipeline.js'
import type { CdcPipelineOptions } from '../../../../src/pipeline/pipeline-options.js'
import type { SourceRecord } from '../../../../src/types.js'
import { ScriptedSink, ScriptedSource, ScriptedStore, settle } from './parts.js'
import type { TestEvent } from './records.js'

type Options = CdcPipelineOptions<TestEvent, unknown>

/** A pipeline between scripted parts. */
export interface Bench {
  readonly pipeline: CdcPipeline
  readonly source: ScriptedSource
  readonly sink: ScriptedSink
  readonly store: ScriptedStore
  /** The source yields these records, and everything runs that can. */
  give(...records: SourceRecord<TestEvent>[]): Promise<void>
}

/** Sets up a pipeline whose transform returns the number of the event, unless told otherwise. */
export function bench(options: Partial<Options> = {}, { auto = false } = {}): Bench {
  const source = new ScriptedSource()
  const sink = new ScriptedSink({ auto })
  const store = new ScriptedStore()
  const pipeline = createCdcPipeline<TestEvent, unknown>({
    name: 'bench',
    source,
    sink,
    checkpointStore: store,
    transform: event => event.n,
    ...options,
  })
  const give = async (...records: SourceRecord<TestEvent>[]): Promise<void> => {
    source.give(records)
    await settle(1 + Math.ceil(records.length / 64)) // the reader lets the event loop turn now and then
  }
  return { pipeline, source, sink, store, give }
}

/** As `bench`, started. */
export async function startedBench(options: Partial<Options> = {}, how: { auto?: boolean } = {}): Promise<Bench> {
  const made = bench(options, how)
  made.source.give([])
  await made.pipeline.start()
  return made
}

/** What was emitted under this name. */
export function collect<Name extends keyof PipelineEvents>(
  pipeline: CdcPipeline,
  name: Name,
): Parameters<PipelineEvents[Name]>[0][] {
  const events: Parameters<PipelineEvents[Name]>[0][] = []
  const listener = (event: Parameters<PipelineEvents[Name]>[0]): unknown => events.push(event)
  pipeline.on(name, listener as unknown as PipelineEvents[Name])
  return events
}
