mod audit;
mod forget;
mod people;
mod setup;
