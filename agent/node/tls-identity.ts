import { z } from 'zod'

const pem = z.string()

/** The node's proof of identity towards the hub, and whom it trusts to be the hub. */
export const tlsIdentitySchema = z.object({
  /** Key and certificate are left out before there are any. */
  key: pem.optional(),
  certificate: pem.optional(),
  /** A bearer token instead of a certificate: HTTP sends it, for a hub on this machine. */
  token: z.string().optional(),
  /** The hub's own CAs, in addition to those that the system trusts. */
  authorities: z.array(pem).readonly(),
})
export type TlsIdentity = Readonly<z.output<typeof tlsIdentitySchema>>
