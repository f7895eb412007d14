import "./core/htmx.js";
import "./core/page.js";
import "./people.js";
import "./domains.js";
import "./users.js";
import "./phones.js";
import "./calls.js";
import "./api.js";
