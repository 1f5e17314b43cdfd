/** A certificate and its key, PEM; `certificate` holds the chain as well. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

/** The certificate that a listener shows, and whatever comes after it. */
export interface ServerIdentity extends AsyncDisposable {
  readonly current: Identity
  /** Called when `current` has changed. Answers a function that ends it. */
  onChange(listener: () => void): () => void
}
