mod register;
mod register_again;
mod register_refusals;
