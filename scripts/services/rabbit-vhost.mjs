// A vhost of its own for whoever asks.

/**
 * @param {string} url  of the default vhost
 * @param {string} [name]
 * @returns {{ name: string, url: string }}
 */
export function describeVhost(url, name = `cdc-${Math.random().toString(36).slice(2, 10)}`) {
  const target = new URL(url)
  target.pathname = `/${encodeURIComponent(name)}`
  return { name, url: target.href }
}

/**
 * @param {string} url
 * @param {string | undefined} wanted
 * @param {(...args: string[]) => Promise<string>} rabbitmqctl
 * @returns {Promise<import('./index.mjs').RabbitVhost>}
 */
export async function createVhost(url, wanted, rabbitmqctl) {
  const vhost = describeVhost(url, wanted)
  const { name } = vhost
  await rabbitmqctl('add_vhost', name)
  await rabbitmqctl('set_permissions', '-p', name, 'guest', '.*', '.*', '.*')
  return {
    ...vhost,
    async remove() {
      await rabbitmqctl('delete_vhost', name)
    },
  }
}
