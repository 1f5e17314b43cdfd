/** Whether the page's address ends with `?relay=always`: media then goes through a relay only. */
export const relayWish = (): { relay: 'always' } | undefined =>
  new URLSearchParams(location.search).get('relay') === 'always' ? { relay: 'always' } : undefined
