// Gives every request of the suite the grant that stands in GRANT. The suite has no option for a
// header, and a proxy in between would be one more thing that both ways are measured with; node
// says when a request is made, and lets headers be added then.
import { subscribe } from 'node:diagnostics_channel';

const authorization = `Bearer ${process.env.GRANT}`;

subscribe('undici:request:create', ({ request }) => request.addHeader('authorization', authorization));
subscribe('http.client.request.created', ({ request }) => request.setHeader('authorization', authorization));
