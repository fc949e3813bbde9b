/** What of a client's options is looked at. */
interface ClientOptions {
  readonly serverSelectionTimeoutMS?: number
  readonly socketTimeoutMS?: number
  readonly timeoutMS?: number
  readonly maxPoolSize?: number
}

const SLOW_CLIENT_MS = 10_000

/** What in the options of a user's client costs safety or time here, one sentence each. Pure. */
export function clientWarnings(client: ClientOptions, maxAwaitTimeMS: number): string[] {
  const { serverSelectionTimeoutMS = 0, socketTimeoutMS = 0, timeoutMS = 0, maxPoolSize = 0 } = client
  const warnings: string[] = []
  if (serverSelectionTimeoutMS > SLOW_CLIENT_MS) {
    warnings.push(
      `The client waits up to ${serverSelectionTimeoutMS} ms (\`serverSelectionTimeoutMS\`) when a server is lost; 3000 to 5000 is better here`,
    )
  }
  if (socketTimeoutMS > 0 && socketTimeoutMS <= maxAwaitTimeMS) {
    warnings.push(
      `The client gives up a read after ${socketTimeoutMS} ms (\`socketTimeoutMS\`), before the server answers an idle one after ${maxAwaitTimeMS} ms (\`maxAwaitTimeMS\`): the stream is opened again and again`,
    )
  }
  if (timeoutMS > 0 && timeoutMS <= maxAwaitTimeMS) {
    warnings.push(
      `The client gives up a command after ${timeoutMS} ms (\`timeoutMS\`, with drivers that heed it), before the server answers an idle read after ${maxAwaitTimeMS} ms (\`maxAwaitTimeMS\`)`,
    )
  }
  if (maxPoolSize === 1) {
    warnings.push(
      'The client has one connection (`maxPoolSize`), and a read holds it: a slow server can not be told from a dead one',
    )
  }
  return warnings
}
