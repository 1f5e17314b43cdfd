import { z } from 'zod'

// zod would compile its schemas with `new Function`, which the content security policy reports as an error. It
// decides when a schema is made: so this is imported before all that makes one.
z.config({ jitless: true })
