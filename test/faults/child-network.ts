import net from 'node:net'

/**
 * Leads connections to members of a replica set through proxies: a driver goes where the members say they are, so that
 * no connection string can do it. Works for CommonJS, which looks functions up when it calls them.
 */
export function throughProxies(ports: Readonly<Record<string, number>>): void {
  const { createConnection } = net
  function proxied(options: unknown, ...rest: unknown[]): net.Socket {
    const { port } = (options ?? {}) as { port?: number }
    const other = port === undefined ? undefined : ports[port]
    const led = other === undefined ? options : { ...(options as object), port: other }
    return (createConnection as (...args: unknown[]) => net.Socket)(led, ...rest)
  }
  net.createConnection = proxied as typeof net.createConnection
}
